"""One load on clients that have joined: says, receives, verifies as it goes, and keeps the accounts."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.codec import Codec
from harness.errors import Violation
from harness.load.engine import choose
from harness.load.engine.frame_templates import Int64Array
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Frames, Sender
from harness.load.verify.streams import StreamVerifier
from harness.servers.resources import usage

QUIET_S = 0.5  # without a byte: what has not come by then was dropped
DRAIN_S = 10.0
STEP_NS = 20_000_000
LAST_WORDS_S = 15.0


@dataclass(frozen=True)
class LoadSnapshot:
    """A moment's counts; two of them make a measurement."""

    at: float
    deliveries: int
    server_cpu_s: float
    generator_cpu_s: float


class Load:
    """One load on clients of which those with the same subscriptions stand at the same point of their stream.

    Where the load has several processes, each has a `Load` for its own clients, and knows all voices.

    Args:
        sockets: the clients' connections.
        subscriptions: for each of them its topics.
        server_pid: whose processor time is told.
        voices: who speaks to which topic; each hears the topic that it speaks to.
        numbers: of these clients over all processes; None where there are no others.
        ranks: all processes of the load.
        text_bytes: the length of every text.
        as_arriving: whether voices send what a server would deliver: for a relay of bytes.
        are_together: whether they do stand at the same point; if not, marks of their joining may still come.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        subscriptions: Sequence[tuple[int, ...]],
        codec: Codec,
        server_pid: int,
        senders: Sequence[Sender],
        text_bytes: int,
        *,
        as_arriving: bool = False,
        numbers: Sequence[int] | None = None,
        processes: LoadProcesses | None = None,
        are_together: bool = True,
    ) -> None:
        self._subscriptions, self._server_pid, self.voices = subscriptions, server_pid, senders
        self.ranks = processes or LoadProcesses()
        numbers = range(len(sockets)) if numbers is None else numbers
        self._numbers = numbers
        here = {number: client for client, number in enumerate(numbers)}
        self._groups = {topics: number for number, topics in enumerate(dict.fromkeys(subscriptions))}
        groups_of = [self._groups[topics] for topics in subscriptions]
        frames = Frames(codec, senders, text_bytes, as_arriving=as_arriving, marks_may_come=not are_together)
        owed = [bytes(voice.topic in topics for voice in senders) for topics in self._groups]
        shapes = [one._replace(client=here.get(one.client, -1)) for one in frames.templates]
        self.own_senders = frozenset(number for number, one in enumerate(senders) if one.client in here)
        self.engine = choose.make_engine(shapes, owed)
        self._streams = StreamVerifier(
            self.engine,
            frames,
            senders,
            list(self._groups),
            groups_of,
            are_in_step=are_together,
            numbers=numbers,
            ranks=self.ranks,
        )
        for one, group in zip(sockets, groups_of, strict=True):
            one.setblocking(False)
            self.engine.add(one.fileno(), group, are_together)

    @property
    def sender_numbers(self) -> range:
        """The numbers of the voices."""
        return range(len(self.voices))

    def add_client(self, one: socket.socket, topics: Sequence[int], *, may_be_closed: bool = False) -> int:
        """Receive for a client that comes during the load and hears what residents with these topics hear.

        Args:
            may_be_closed: whether the server may disconnect it, as one that has not read for long.
        """
        one.setblocking(False)
        client = self.engine.add(one.fileno(), -1, False)
        self._streams.add_transient(client, self._groups[tuple(topics)], may_be_closed=may_be_closed)
        return client

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and the guests that were dropped."""
        return self.engine.closed()

    def drop_client(self, client: int) -> None:
        """Receive no more for a guest; its socket stays open."""
        self.engine.drop(client)
        self._streams.drop_transient(client)

    def snapshot(self) -> LoadSnapshot:
        """Return the counts of this moment."""
        return LoadSnapshot(time.monotonic(), sum(self._heard()), usage(self._server_pid).cpu_s, time.process_time())

    def step(self, until_ns: int) -> list[tuple[int, int]]:
        """Go on until then (monotonic ns) or until something must be looked at.

        Returns (client, time in monotonic ns) of what guests and those who have parted have received.

        Raises:
            Violation: a client was disconnected, or received what no lawful server can have sent.
        """
        return self._streams.handle(self.engine.run(until_ns))

    def sent(self, voice: int) -> int:
        """Return how many messages a voice has said."""
        return self.engine.sender_counts(voice)[0]

    def latencies(self) -> Int64Array:
        """Hand over what is new: rows of message of the schedule, ns from its intended time until it came back."""
        return np.frombuffer(self.engine.take_latencies(), np.int64).reshape(-1, 2)

    def lags(self) -> Int64Array:
        """Hand over what is new: rows of message of the schedule, ns by which it was said late."""
        return np.frombuffer(self.engine.take_lags(), np.int64).reshape(-1, 2)

    def finish(self) -> None:
        """Say nothing more, wait until nothing comes, and let the judge decide what is in doubt.

        Who has missed something must still be served: it hears something of what is said to it in the end. All
        processes of the load say nothing more before any of them waits, and wait for each other.

        Raises:
            Violation: no lawful server can have made what the clients received.
        """
        self.engine.stop_sending()
        self._said = self._said_by_all()
        self._drain()
        self._look_for_forgotten()
        self.step(0)  # what Python has done in the last step may have left a reason
        self.settle()

    def settle(self) -> None:
        """Let the judge decide what is in doubt, here and over all processes of the load; raise Violation."""
        self._said = self._said_by_all()
        self._streams.resolve_doubt()
        self._streams.compare_processes(self._said)

    def _said_by_all(self) -> list[int]:
        """Return how many messages each voice has said, in whichever process of the load."""
        told = self.ranks.gather([self.sent(voice) for voice in self.sender_numbers])
        return [sum(one) for one in zip(*told, strict=True)]

    def _drain(self) -> None:
        begun_ns, due = time.monotonic_ns(), self._due()
        while True:
            now_ns = time.monotonic_ns()
            self.step(now_ns + STEP_NS)
            has_all = all(heard >= count for heard, count in zip(self._heard(), due, strict=True))
            has_ended = has_all and not self.engine.has_unsent()
            told = self.ranks.gather((has_ended, now_ns - begun_ns, now_ns - max(begun_ns, self.engine.last_progress_ns())))
            quiet_ns = min(quiet_ns for _, _, quiet_ns in told)
            if all(one for one, _, _ in told) or quiet_ns > QUIET_S * 1e9 or told[0][1] > DRAIN_S * 1e9:
                break

    def _look_for_forgotten(self) -> None:
        before = self._heard()
        lacking = [client for client, (heard, due) in enumerate(zip(before, self._due(), strict=True)) if heard < due]
        voices = {one.topic: number for number, one in enumerate(self.voices)}
        deadline, wait_s, count = time.monotonic() + LAST_WORDS_S, 0.02, 0
        while self._go_on(bool(lacking), deadline):
            for voice in self.own_senders.intersection(voices.values()):
                self.engine.send(voice, 1)
            count += 1
            until = time.monotonic() + wait_s
            while lacking and time.monotonic() < until:
                self.step(int(until * 1e9))
                lacking = [client for client in lacking if self.engine.received_count(client) == before[client]]
            wait_s = min(QUIET_S, 2 * wait_s)
        if lacking:
            raise Violation(
                f"client {self._numbers[lacking[0]]} was forgotten: it heard none of {count} messages that were said "
                "one after the other when the load had ended"
            )

    def _go_on(self, is_wanted: bool, deadline: float) -> bool:
        """Return whether any process of the load wants to go on, and it is not too late."""
        told = self.ranks.gather((is_wanted, time.monotonic() < deadline))
        return any(one for one, _ in told) and told[0][1]

    def _heard(self) -> list[int]:
        return [self.engine.received_count(client) for client in range(len(self._subscriptions))]

    def _due(self) -> list[int]:
        """Return for each client how many messages were said to its topics, when all is said."""
        said: dict[int, int] = defaultdict(int)
        for number, one in enumerate(self.voices):
            said[one.topic] += self._said[number]
        totals = {topics: sum(said[topic] for topic in topics) for topics in self._groups}
        return [totals[topics] for topics in self._subscriptions]

    def shares(self, before: LoadSnapshot, after: LoadSnapshot) -> dict[str, float]:
        """Return what every load tells beside its own figures, when it has finished: drops, both processors' shares.

        Of several processes the busiest tells the generator's share: it is the first that can do no more.
        """
        elapsed = after.at - before.at
        own = (after.generator_cpu_s - before.generator_cpu_s) / elapsed
        told = self.ranks.gather((len(self._subscriptions), sum(self._heard()), sum(self._due()), own))
        clients, heard, due, shares = zip(*told, strict=True)
        figures = {
            "clients": sum(clients),
            "dropped_share": 1 - sum(heard) / max(1, sum(due)),
            "server_cpu_share": (after.server_cpu_s - before.server_cpu_s) / elapsed,
            "generator_cpu_share": max(shares),
        }
        if self.ranks.count > 1:
            figures["generator_processes"] = self.ranks.count
        return figures
