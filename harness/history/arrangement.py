"""Searches for one order of messages of which some have equal text, so that it is open which copy a client received.

The order is built from its beginning. A step takes the next message that some client sent, if the client had received
by then what it had received before sending it; every client that waits for a message of this text receives it. To
receive a copy as early as possible never does harm, so the only choice is which message comes next. A message comes
next without a choice where that cannot do harm: no client still needs its text, or all that need it wait for it and
cannot lack a copy later. All other choices are tried, and each state only once.

A client that misses a message makes no difference: it does not wait for it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.history.record import send_event


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
        for stream in puzzle.streams:
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
        for client, (received, sent) in enumerate(zip(self._received, self._sent, strict=True)):
            for text in received:
                needs = self._needs[text]
                needs[client] = needs.get(client, 0) + 1
            for text in sent:
                self._left[text] += 1
                senders = self._senders[text]
                senders[client] = senders.get(client, 0) + 1
            if received:
                self._waiting[received[0]].append(client)
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
        chance = random.Random(0)
        self._state = 0  # a number that differs, almost certainly, for different states
        self._weights = [(chance.getrandbits(120), chance.getrandbits(120)) for _ in range(clients)]

    # --- one message more or less

    def _can_send(self, client: int) -> bool:
        at = self._sent_count[client]
        return at < len(self._sent[client]) and self._after[client][at] <= self._received_count[client]

    def _take(self, client: int, ready: list[int]) -> None:
        """Let the next message of a client come next; add to `ready` the clients that this may concern."""
        at = self._sent_count[client]
        text = self._sent[client][at]
        receivers, self._waiting[text] = self._waiting[text], []
        needs = self._needs[text]
        awaited: set[int] = set()
        for receiver in receivers:
            count = self._received_count[receiver] = self._received_count[receiver] + 1
            needs[receiver] -= 1
            self._state += self._weights[receiver][0]
            if count < len(self._received[receiver]):
                following = self._received[receiver][count]
                self._waiting[following].append(receiver)
                awaited.add(following)
            if self._sent[receiver]:
                ready.append(receiver)
        for following in awaited:
            ready += self._heads[following]
        self._missing -= len(receivers)
        self._left[text] -= 1
        self._senders[text][client] -= 1
        self._heads[text].discard(client)
        ready += self._heads[text]
        self._sent_count[client] = at + 1
        self._state += self._weights[client][1]
        if at + 1 < len(self._sent[client]):
            self._heads[self._sent[client][at + 1]].add(client)
            ready.append(client)
        self._taken.append((client, receivers))
        self.steps += len(receivers) + 1

    def _take_back(self) -> None:
        client, receivers = self._taken.pop()
        at = self._sent_count[client]
        if at < len(self._sent[client]):
            self._heads[self._sent[client][at]].discard(client)
        at = self._sent_count[client] = at - 1
        text = self._sent[client][at]
        self._state -= self._weights[client][1]
        self._heads[text].add(client)
        self._senders[text][client] += 1
        self._left[text] += 1
        self._missing += len(receivers)
        needs = self._needs[text]
        for receiver in reversed(receivers):
            count = self._received_count[receiver]
            if count < len(self._received[receiver]):
                self._waiting[self._received[receiver][count]].pop()
            self._received_count[receiver] = count - 1
            needs[receiver] += 1
            self._state -= self._weights[receiver][0]
        self._waiting[text] = receivers

    # --- choices

    def _is_harmless(self, client: int) -> bool:
        """Return whether the client's next message can come next without a choice."""
        if not self._can_send(client):
            return False
        text = self._sent[client][self._sent_count[client]]
        needs, waiting = self._needs[text], self._waiting[text]
        if text not in self._has_copies:
            return len(waiting) == len(needs)
        self.steps += len(needs)
        needed = [count for count in needs.values() if count]
        if len(waiting) < len(needed):
            return False
        is_last_sender = self._senders[text][client] == self._left[text]
        return max(needed, default=0) <= (self._left[text] if is_last_sender else 1)

    def _is_allowed(self, client: int) -> bool:
        """Return whether the client's next message, of a text with copies, leaves enough copies for all that wait."""
        text = self._sent[client][self._sent_count[client]]
        left, needs = self._left[text] - 1, self._needs[text]
        self.steps += len(needs)
        if max(needs.values(), default=0) <= left:
            return True
        waiting = set(self._waiting[text])
        return all(count - (receiver in waiting) <= left for receiver, count in needs.items())

    def _choices(self) -> list[int]:
        """Return the clients whose next message may come next, the most promising last."""
        clients = []
        for client in self._copiers:
            if self._can_send(client):
                text = self._sent[client][self._sent_count[client]]
                if text in self._has_copies and self._is_allowed(client):
                    clients.append(client)
        self.steps += len(self._copiers)
        return sorted(clients, key=self._promise, reverse=True)

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
                if self._is_harmless(client):
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
