"""Searches for one order of messages of which some have equal text, so that it is open which copy a client received.

The order is built from its beginning. A step takes the next message that some client sent, if the client had received
by then what it had received before sending it; every client that waits for a message of this text receives it. To
receive a copy as early as possible never does harm, so the only choice is which message comes next.

A message m of text t that can be sent comes next without a choice if all clients that still need t wait for it, and

- either each of them needs nothing else between the copies of t that it needs,
- or one client sends all copies of t that are left.

This does no harm. Take any way to go on from here, and in it move m to the front (if m is not in it, it can be added).
Its client sent nothing before m, and until the first copy of t comes, those that need t receive nothing. If one client
sends all copies, m was that first copy, so everybody receives what they did, some of it earlier. Otherwise the copies
keep their number, and the first, second, third ... of them each come as early as before or earlier; who needs t takes
them one after another from now on, so has had as many at any moment, and whatever it receives or sends after them is as
early as before or earlier. And if no client needs t, m changes nothing.

All other choices are tried, and each state only once. In a state only that counts which clients have what left to do,
not who they are: see `harness.history.remainders`.

A client that misses a message makes no difference: it does not wait for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.history.record import send_event
from harness.history.remainders import Remainders


@dataclass(frozen=True)
class Puzzle:
    """The events of a history that concern messages that were received.

    Attributes:
        streams: for each client its events, as in `harness.history.record`; the numbers stand for texts.
        places: for each client the indices of these events among all its events.
        others: by text, how many copies were sent at an unknown moment.
    """

    streams: Sequence[Sequence[int]]
    places: Sequence[Sequence[int]]
    others: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of events."""
        return sum(map(len, self.streams))


class Arrangement:
    """One search for an order.

    Attributes:
        is_possible: whether there is an order; None if the search was given up.
        steps: what the search cost, in events looked at.
        conflicts: sets of texts that kept each other from being next, from the dead ends that were met first.
    """

    MOST_CONFLICTS = 16

    def __init__(self, puzzle: Puzzle, budget: int, deadlines: dict[int, int] | None = None) -> None:
        """Search.

        Args:
            puzzle: the events.
            budget: the most events to look at before giving up.
            deadlines: by text, its place in an order of the messages with a text of their own: the search tries first
                what must come first by that.
        """
        self.is_possible: bool | None = None
        self.steps = 0
        self.conflicts: list[set[int]] = []
        self._budget = budget
        self._load(puzzle, deadlines or {})
        self.is_possible = self._search()

    def _load(self, puzzle: Puzzle, deadlines: dict[int, int]) -> None:
        self._received: list[list[int]] = []
        # By client: the texts sent, after how many deliveries each, and by when it should be next.
        self._sent: list[list[int]] = []
        self._after: list[list[int]] = []
        self._deadline: list[list[float]] = []
        for stream in filter(len, puzzle.streams):
            received: list[int] = []
            sent: list[int] = []
            after: list[int] = []
            for event in stream:
                if event >= 0:
                    received.append(event)
                else:
                    sent.append(send_event(event))
                    after.append(len(received))
            self._received.append(received)
            self._sent.append(sent)
            self._after.append(after)
        for text, count in puzzle.others.items():
            self._received.append([])
            self._sent.append([text] * count)
            self._after.append([0] * count)
        # By text: how many copies are left, of which clients, and how many each client still needs.
        self._left: defaultdict[int, int] = defaultdict(int)
        self._senders: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._needs: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)  # clients whose next delivery has this text
        self._heads: defaultdict[int, set[int]] = defaultdict(set)  # clients whose next message has this text
        # By text: how many clients have copies left; how many need copies; how many of these wait, and then need
        # nothing between the copies that they need.
        self._owners: defaultdict[int, int] = defaultdict(int)
        self._needing: defaultdict[int, int] = defaultdict(int)
        self._settled: defaultdict[int, int] = defaultdict(int)
        self._is_settled = [_in_last_run(received) for received in self._received]  # when waiting for this delivery
        for client, (received, sent) in enumerate(zip(self._received, self._sent, strict=True)):
            for text in received:
                needs = self._needs[text]
                needs[client] = needs.get(client, 0) + 1
            for text in sent:
                self._left[text] += 1
                senders = self._senders[text]
                senders[client] = senders.get(client, 0) + 1
            for text in set(received):
                self._needing[text] += 1
            for text in set(sent):
                self._owners[text] += 1
            if received:
                self._waiting[received[0]].append(client)
                self._settled[received[0]] += self._is_settled[client][0]
            if sent:
                self._heads[sent[0]].add(client)
            by_when: list[float] = []
            latest = float("inf")
            for text in reversed(sent):
                latest = min(latest, deadlines.get(text, latest))
                by_when.append(latest)
            self._deadline.append(by_when[::-1])
        self._has_copies = {text for text, count in self._left.items() if count > 1}
        self._copiers = [client for client, sent in enumerate(self._sent) if not self._has_copies.isdisjoint(sent)]
        clients = len(self._received)
        self._received_count, self._sent_count = [0] * clients, [0] * clients
        self._missing = sum(map(len, self._received))
        self._taken: list[tuple[int, list[int]]] = []  # clients whose message came next, and those that waited for it
        self._remainders = Remainders(self._received, self._sent, self._after)
        self._state = self._remainders.state

    # --- one message more or less

    def _can_send(self, client: int) -> bool:
        at = self._sent_count[client]
        return at < len(self._sent[client]) and self._after[client][at] <= self._received_count[client]

    def _is_open(self, text: int) -> bool:
        """Return whether a message of this text, if it can be sent, can come next without a choice (see above)."""
        needing = self._needing[text]
        return self._settled[text] == needing or (self._owners[text] == 1 and len(self._waiting[text]) == needing)

    def _take(self, client: int, ready: list[int]) -> None:
        """Let the next message of a client come next; add to `ready` the clients whose next message may now be free."""
        at = self._sent_count[client]
        text = self._sent[client][at]
        was_open = {text: self._is_open(text)}
        receivers, self._waiting[text] = self._waiting[text], []
        needs = self._needs[text]
        for receiver in receivers:
            sent, count = self._sent_count[receiver], self._received_count[receiver]
            self._state += self._remainders.change_by_delivery(receiver, count, sent)
            self._settled[text] -= self._is_settled[receiver][count]
            needs[receiver] -= 1
            self._needing[text] -= not needs[receiver]
            count = self._received_count[receiver] = count + 1
            if count < len(self._received[receiver]):
                following = self._received[receiver][count]
                if following not in was_open:
                    was_open[following] = self._is_open(following)
                self._waiting[following].append(receiver)
                self._settled[following] += self._is_settled[receiver][count]
            if sent < len(self._sent[receiver]) and self._after[receiver][sent] == count:
                ready.append(receiver)
        self._missing -= len(receivers)
        self._left[text] -= 1
        self._senders[text][client] -= 1
        self._owners[text] -= not self._senders[text][client]
        self._heads[text].discard(client)
        self._state += self._remainders.change_by_send(client, self._received_count[client], at)
        self._sent_count[client] = at + 1
        if at + 1 < len(self._sent[client]):
            self._heads[self._sent[client][at + 1]].add(client)
            ready.append(client)
        for concerned, before in was_open.items():
            if not before and self._is_open(concerned):
                ready += self._heads[concerned]
        self._taken.append((client, receivers))
        self.steps += len(receivers) + 1

    def _take_back(self) -> None:
        client, receivers = self._taken.pop()
        at = self._sent_count[client]
        if at < len(self._sent[client]):
            self._heads[self._sent[client][at]].discard(client)
        at = self._sent_count[client] = at - 1
        self._state -= self._remainders.change_by_send(client, self._received_count[client], at)
        text = self._sent[client][at]
        self._heads[text].add(client)
        self._owners[text] += not self._senders[text][client]
        self._senders[text][client] += 1
        self._left[text] += 1
        self._missing += len(receivers)
        needs = self._needs[text]
        for receiver in reversed(receivers):
            count = self._received_count[receiver]
            if count < len(self._received[receiver]):
                following = self._received[receiver][count]
                self._waiting[following].pop()
                self._settled[following] -= self._is_settled[receiver][count]
            count = self._received_count[receiver] = count - 1
            self._needing[text] += not needs[receiver]
            needs[receiver] += 1
            self._settled[text] += self._is_settled[receiver][count]
            self._state -= self._remainders.change_by_delivery(receiver, count, self._sent_count[receiver])
        self._waiting[text] = receivers
        self.steps += len(receivers) + 1

    # --- choices

    def _is_free(self, client: int) -> bool:
        """Return whether the client's next message can come next without a choice."""
        return self._can_send(client) and self._is_open(self._sent[client][self._sent_count[client]])

    def _is_allowed(self, text: int) -> bool:
        """Return whether a message of this text, if it comes next, leaves enough copies for all that need them."""
        left, needs = self._left[text] - 1, self._needs[text]
        self.steps += len(needs)
        if max(needs.values(), default=0) <= left:
            return True
        waiting = set(self._waiting[text])
        return all(count - (receiver in waiting) <= left for receiver, count in needs.items())

    def _choices(self) -> list[int]:
        """Return the clients whose next message may come next, one of those with the same left, best last."""
        chosen: dict[tuple[int, int], int] = {}
        is_allowed: dict[int, bool] = {}
        for client in self._copiers:
            if self._can_send(client):
                sent = self._sent_count[client]
                text = self._sent[client][sent]
                if text not in is_allowed:
                    is_allowed[text] = text in self._has_copies and self._is_allowed(text)
                if is_allowed[text]:
                    remainder = self._remainders.key(client, self._received_count[client], sent)
                    chosen.setdefault(remainder, client)
        self.steps += len(self._copiers)
        return sorted(chosen.values(), key=self._promise, reverse=True)

    def _promise(self, client: int) -> tuple[bool, float, int]:
        at = self._sent_count[client]
        text = self._sent[client][at]
        return not self._waiting[text], self._deadline[client][at], client

    # --- the search

    def _search(self) -> bool | None:
        if any(max(needs.values()) > self._left[text] for text, needs in self._needs.items()):
            return False
        ready = list(range(len(self._sent)))
        seen: set[int] = set()
        open_choices: list[tuple[int, list[int]]] = []  # how many messages had come by then, and what is left to try
        while True:
            while ready and self.steps < self._budget:
                client = ready.pop()
                self.steps += 1
                if self._is_free(client):
                    self._take(client, ready)
            if not self._missing:
                return True
            if self.steps >= self._budget:
                return None
            if self._state not in seen:
                seen.add(self._state)
                choices = self._choices()
                if not choices and len(self.conflicts) < self.MOST_CONFLICTS:
                    self.conflicts.append(self._conflict())
                open_choices.append((len(self._taken), choices))
            while open_choices and not open_choices[-1][1]:
                open_choices.pop()
            if not open_choices:
                return False
            count, choices = open_choices[-1]
            while len(self._taken) > count:
                self._take_back()
            self._take(choices.pop(), ready)

    def _conflict(self) -> set[int]:
        """Return texts that keep each other from being next: for each of them, what keeps it is among them."""
        first = next(text for text, waiting in self._waiting.items() if waiting)
        found, to_do = {first}, [first]
        while to_do:
            for text in self._obstacles(to_do.pop()):
                if text not in found:
                    found.add(text)
                    to_do.append(text)
        return found

    def _obstacles(self, text: int) -> Iterator[int]:
        """Yield the texts that must come before a message of this text can: those sent or received before it."""
        waiting = set(self._waiting[text])
        for client, count in self._senders[text].items():
            at = self._sent_count[client]
            if count:
                if self._sent[client][at] != text:
                    yield self._sent[client][at]
                if self._after[client][at] > self._received_count[client]:
                    yield self._received[client][self._received_count[client]]
        for client, count in self._needs[text].items():
            if count and client not in waiting:
                yield self._received[client][self._received_count[client]]


def _in_last_run(line: Sequence[int]) -> list[bool]:
    """Return for each place in a line whether what is there comes again only as an uninterrupted run from there."""
    found: list[bool] = []
    later: set[int] = set()
    following = None
    for text in reversed(line):
        found.append(found[-1] if text == following else text not in later)
        later.add(text)
        following = text
    return found[::-1]
