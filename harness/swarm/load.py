"""One load on clients that have joined: sends, receives, notes what came back when, verifies it all in the end."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.codec import Codec
from harness.errors import Violation
from harness.history.judge import judge
from harness.history.record import History
from harness.resources import usage
from harness.swarm.frames import CODE, Frames, Numbers, Voice
from harness.swarm.pump import Common, Pump

QUIET_S = 0.5  # without a byte: what has not come by then was dropped
DRAIN_S = 10.0


@dataclass
class Sender:
    """One of the voices of a load: what it has sent, and what of it has come back to it.

    Attributes:
        number: its own, in its messages.
    """

    number: int
    client: int
    topic: int
    sent: int = 0
    echoed: int = 0
    unsent: bytes = b""


@dataclass(frozen=True)
class Account:
    """A moment's counts; two of them make a measurement."""

    at: float
    deliveries: int
    server_cpu_s: float
    generator_cpu_s: float


class Load:
    """One load on clients of which those with the same subscriptions stand at the same point of their stream.

    Args:
        sockets: the clients' connections.
        subscriptions: for each of them its topics.
        server_pid: whose processor time is told.
        voices: who speaks to which topic; each hears the topic that it speaks to.
        text_bytes: the length of every text.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        subscriptions: Sequence[tuple[int, ...]],
        codec: Codec,
        server_pid: int,
        voices: Sequence[Voice],
        text_bytes: int,
    ) -> None:
        self._sockets, self._subscriptions, self._server_pid = sockets, subscriptions, server_pid
        self._frames = Frames(codec, voices, text_bytes)
        self.pump = Pump(sockets, self._frames, subscriptions)
        self.senders = [Sender(number, *voice) for number, voice in enumerate(voices)]
        self._by_client: dict[int, list[Sender]] = defaultdict(list)
        for one in self.senders:
            self._by_client[one.client].append(one)
        self._said: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # heard before, first code, count
        self._looked: dict[int, int] = defaultdict(int)  # messages of its stream in which echoes were looked for
        self._heard: list[tuple[int, int, int]] = []  # client, messages so far, time in ns
        self._progress_at = time.monotonic()

    def account(self) -> Account:
        """Return the counts of this moment."""
        clients = range(len(self._sockets))
        return Account(
            time.monotonic(),
            sum(self.pump.messages(client) for client in clients),
            usage(self._server_pid).cpu_s,
            time.process_time(),
        )

    def send(self, one: Sender, count: int) -> None:
        """Let a sender say its next `count` messages."""
        heard = self.pump.messages(one.client)
        self._said[one.client].append((heard, one.number * CODE + one.sent, count))
        one.unsent += self._frames.make(one.number, one.sent, count)
        one.sent += count
        self._push(one)

    def _push(self, one: Sender) -> None:
        try:
            done = self._sockets[one.client].send(one.unsent)
        except BlockingIOError:
            return
        except ConnectionError:
            raise Violation(f"the server closed the connection of client {one.client}, which was sending") from None
        one.unsent = one.unsent[done:]

    def step(self, timeout_s: float) -> list[tuple[int, int]]:
        """Take what comes within `timeout_s`, note echoes, and push what could not be sent before.

        Returns (client, time in monotonic ns) for each read.
        """
        took = self.pump.poll(timeout_s)
        if took:
            self._progress_at = time.monotonic()
        for client, at_ns in took:
            if client in self._by_client:
                self._heard.append((client, self.pump.messages(client), at_ns))
                self._look_for_echoes(client)
        for one in self.senders:
            if one.unsent:
                self._push(one)
        return took

    def _look_for_echoes(self, client: int) -> None:
        heard = self.pump.messages(client)
        codes = self.pump.received(client, self._looked[client], heard)
        self._looked[client] = heard
        numbers = codes // CODE
        for one in self._by_client[client]:
            mine = codes[numbers == one.number]
            if mine.size:
                # By the order of one sender, whatever it said before has arrived by now, or never will.
                one.echoed = int(mine[-1]) - one.number * CODE + 1

    def forgive(self, senders: Sequence[Sender]) -> None:
        """Take for dropped what was not heard by these when nothing has come for QUIET_S."""
        if time.monotonic() - self._progress_at > QUIET_S:
            self._progress_at = time.monotonic()
            for one in senders:
                one.echoed = one.sent

    def finish(self) -> None:
        """Wait until nothing comes any more, and verify the whole load.

        Raises:
            Violation: no lawful server can have made what the clients received.
        """
        deadline = time.monotonic() + DRAIN_S
        due = self._due()
        self._progress_at = time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - self._progress_at < QUIET_S:
            self.step(0.05)
            if not any(one.unsent for one in self.senders) and all(
                self.pump.messages(client) >= count for client, count in enumerate(due)
            ):
                break
        self.pump.close()
        self._verify()

    def _due(self) -> list[int]:
        """Return for each client how many messages were sent to its topics."""
        sent: dict[int, int] = defaultdict(int)
        for one in self.senders:
            sent[one.topic] += one.sent
        totals = {topics: sum(sent[topic] for topic in topics) for topics in set(self._subscriptions)}
        return [totals[topics] for topics in self._subscriptions]

    # --- verifying

    def _verify(self) -> None:
        pump = self.pump
        parted = pump.parted()
        for topics, common in pump.commons.items():
            self._verify_sent(common.codes, topics)
        for client in parted:
            is_guest = client >= len(self._sockets)
            self._verify_sent(pump.all_received(client), None if is_guest else self._subscriptions[client])
        overlap = len({topic for topics in pump.commons for topic in topics}) < sum(map(len, pump.commons))
        if not parted and not overlap and all(map(self._in_senders_order, pump.commons.values())):
            return  # one stream for all who hear a topic, each sender's numbers rising in it: that is the one order
        # Senders' streams with their sends between, and those of clients that parted; for all others one of each kind.
        told = {client: self._told(client) for client in self._by_client}
        told |= {client: pump.all_received(client) + 1 for client in parted if client not in told}
        for common in pump.commons.values():
            in_step = [at for at, one in enumerate(pump.streams) if one.common is common and one.parted_at is None]
            if in_step:
                longest = max(in_step, key=lambda at: pump.streams[at].taken)
                told.setdefault(longest, pump.all_received(longest) + 1)
        self._judge(told)

    def _judge(self, told: dict[int, Numbers]) -> None:
        streams = list(told.values())
        known, inverse = np.unique(np.concatenate([np.abs(stream) for stream in streams]), return_inverse=True)
        numbered, start = [], 0
        for stream in streams:
            numbers = inverse[start : start + stream.size]
            numbered.append(np.where(stream < 0, -numbers - 1, numbers))
            start += stream.size
        codes = known - 1
        faults = judge(
            History(
                events=numbered,
                clients=list(told),
                senders=[self.senders[number].client for number in (codes // CODE).tolist()],
                times_sent=[1] * known.size,
                names=[f"{code // CODE}.{code % CODE}" for code in codes.tolist()],
            )
        )
        if faults:
            raise Violation(f"{faults[0].kind}: {faults[0].sentence}")

    def _told(self, client: int) -> Numbers:
        """Return what a client that speaks did, in its own order: codes + 1, negative where it sent."""
        received = self.pump.all_received(client) + 1
        parts, at = [], 0
        for heard, first, count in self._said[client]:
            parts.append(received[at:heard])
            parts.append(-(np.arange(first, first + count) + 1))
            at = heard
        return np.concatenate((*parts, received[at:]))

    def _verify_sent(self, codes: Numbers, topics: Sequence[int] | None) -> None:
        """Raise Violation for a message that was never sent, or is of none of these topics."""
        sent = np.array([one.sent for one in self.senders], np.int64)
        voices = codes // CODE
        if (codes % CODE >= sent[voices]).any():
            raise Violation("a client received a message that nobody has sent")
        owed = np.array([topics is None or one.topic in topics for one in self.senders])
        if not owed[voices].all():
            raise Violation("a client received a message of a topic to which it has not subscribed")

    def _in_senders_order(self, common: Common) -> bool:
        codes = common.codes
        return all(bool((np.diff(codes[codes // CODE == one.number]) > 0).all()) for one in self.senders)

    # --- figures

    def echoes(self, one: Sender) -> list[tuple[int, int]]:
        """Return (sequence number, arrival in monotonic ns) of a sender's own messages that came back."""
        found, looked = [], 0
        received = self.pump.all_received(one.client)
        for client, messages, at_ns in self._heard:
            if client == one.client:
                codes = received[looked:messages]
                looked = messages
                mine = codes[codes // CODE == one.number] - one.number * CODE
                found += [(number, at_ns) for number in mine.tolist()]
        return found

    def shares(self, before: Account, after: Account) -> dict[str, float]:
        """Return what every load tells beside its own figures: drops, both processors' shares."""
        clients = range(len(self._sockets))
        received = sum(self.pump.messages(client) for client in clients)
        elapsed = after.at - before.at
        return {
            "clients": len(clients),
            "dropped_share": 1 - received / max(1, sum(self._due())),
            "server_cpu_share": (after.server_cpu_s - before.server_cpu_s) / elapsed,
            "generator_cpu_share": (after.generator_cpu_s - before.generator_cpu_s) / elapsed,
        }
