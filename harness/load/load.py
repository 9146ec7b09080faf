"""One load on clients that have joined: it sends, receives, verifies while it runs, and counts."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.codec import LoadCodec
from harness.errors import Violation
from harness.load.engine import choose
from harness.load.engine.frame_templates import Int64Array
from harness.load.engine.interface import Engine
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Frames, Sender
from harness.load.verify.streams import StreamVerifier
from harness.processes.standstill import LoopClock
from harness.servers.resources import usage

QUIET_S = 0.5  # without a byte; what has not come by then was dropped
DRAIN_S = 10.0  # at most, to receive what is still due when the sending has stopped
STEP_S = 0.02
TURN_S = 0.1  # of a loop of such steps, with what has come to be verified
LAST_WORDS_S = 15.0  # at most, until every client that missed a message has received another one


@dataclass(frozen=True)
class LoadSnapshot:
    """Counts at one moment; two of them make a measurement.

    Attributes:
        at: the moment, in monotonic s.
        deliveries: messages that this process's clients have received.
        server_cpu_s: processor time of the server, with all processes below it.
        generator_cpu_s: processor time of this process.
    """

    at: float
    deliveries: int
    server_cpu_s: float
    generator_cpu_s: float


class Quiet:
    """Measures for how long a loop has received nothing, without the time in which its process stood still.

    Args:
        engine: of the load.
        turn_s: how long a turn of the loop may take, in s.
    """

    def __init__(self, engine: Engine, turn_s: float) -> None:
        self._engine, self._clock = engine, LoopClock(turn_s)
        self._progress_ns, self._since_s = engine.last_progress_ns(), 0.0

    def read(self) -> float:
        """Return for how long nothing has come, in s; called in each turn of the loop."""
        now_s, progress_ns = self._clock.read(), self._engine.last_progress_ns()
        if progress_ns != self._progress_ns:
            self._progress_ns, self._since_s = progress_ns, now_s
        return now_s - self._since_s


class Load:
    """One load on some clients.

    Where the load has several processes, each has a `Load` for its own clients, and knows all senders.

    Args:
        sockets: the clients' connections.
        subscriptions: for each of these clients, its topics.
        codec: of the protocol.
        server_pid: the server's process, for its processor time.
        senders: the clients that send, over all processes, and their topics; each receives its own messages.
        text_bytes: the length of every text.
        as_arriving: whether the senders send what a server would deliver, to a relay of bytes.
        numbers: the numbers of these clients over all processes; None where the load has one process.
        processes: the processes of the load; None where it has one.
        are_together: whether clients with the same subscriptions stand at the same point of their streams; if not,
            markers of their joining may still come.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        subscriptions: Sequence[tuple[int, ...]],
        codec: LoadCodec,
        server_pid: int,
        senders: Sequence[Sender],
        text_bytes: int,
        *,
        as_arriving: bool = False,
        numbers: Sequence[int] | None = None,
        processes: LoadProcesses | None = None,
        are_together: bool = True,
    ) -> None:
        self._subscriptions, self._server_pid, self.senders = subscriptions, server_pid, senders
        self.processes = processes or LoadProcesses()
        numbers = range(len(sockets)) if numbers is None else numbers
        self._numbers = numbers
        here = {number: client for client, number in enumerate(numbers)}
        self._groups = {topics: number for number, topics in enumerate(dict.fromkeys(subscriptions))}
        groups_of = [self._groups[topics] for topics in subscriptions]
        frames = Frames(codec, senders, text_bytes, as_arriving=as_arriving, markers_may_come=not are_together)
        subscribed = [bytes(sender.topic in topics for sender in senders) for topics in self._groups]
        templates = [template._replace(client=here.get(template.client, -1)) for template in frames.templates]
        self.own_senders = frozenset(number for number, sender in enumerate(senders) if sender.client in here)
        self.engine = choose.make_engine(templates, subscribed)
        self._streams = StreamVerifier(
            self.engine,
            frames,
            senders,
            list(self._groups),
            groups_of,
            are_in_step=are_together,
            numbers=numbers,
            processes=self.processes,
        )
        for connection, group in zip(sockets, groups_of, strict=True):
            connection.setblocking(False)
            self.engine.add(connection.fileno(), group, are_together)

    @property
    def sender_numbers(self) -> range:
        """The numbers of the senders."""
        return range(len(self.senders))

    def add_client(self, connection: socket.socket, topics: Sequence[int], *, may_be_closed: bool = False) -> int:
        """Receive for a client that is added during the load; return its number in the load.

        Args:
            connection: its socket.
            topics: its subscriptions; a client of the load from the beginning must have the same.
            may_be_closed: whether the server may disconnect it, as one that has not read for long.
        """
        connection.setblocking(False)
        client = self.engine.add(connection.fileno(), -1, False)
        self._streams.add_client(client, self._groups[tuple(topics)], may_be_closed=may_be_closed)
        return client

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and those that were dropped."""
        return self.engine.closed()

    def drop_client(self, client: int) -> None:
        """Stop receiving for a client that was added during the load; its socket stays open."""
        self.engine.drop(client)
        self._streams.drop_client(client)

    def snapshot(self) -> LoadSnapshot:
        """Return the counts at this moment."""
        return LoadSnapshot(time.monotonic(), sum(self._received()), usage(self._server_pid).cpu_s, time.process_time())

    def step(self, until_ns: int) -> list[tuple[int, int]]:
        """Let the load go on until `until_ns` (monotonic ns), or until the engine has something to report.

        Returns:
            For clients that were added or have diverged, what they have received: (client, time in monotonic ns).

        Raises:
            Violation: a client was disconnected, or received what no conforming server can have sent.
        """
        return self._streams.handle(self.engine.run(until_ns))

    def sent(self, sender: int) -> int:
        """Return how many messages a sender of this process has sent."""
        return self.engine.sender_counts(sender)[0]

    def latencies(self) -> Int64Array:
        """Return the latencies of scheduled messages since the last call.

        Returns:
            An array of shape (messages, 2): the number of the message in the schedule; the time from its intended time
            until its sender received it, in ns.
        """
        return np.frombuffer(self.engine.take_latencies(), np.int64).reshape(-1, 2)

    def lags(self) -> Int64Array:
        """Return how late scheduled messages were sent since the last call.

        Returns:
            An array of shape (messages, 2): the number of the message in the schedule; its delay, in ns.
        """
        return np.frombuffer(self.engine.take_lags(), np.int64).reshape(-1, 2)

    def finish(self, step_s: float = STEP_S) -> None:
        """Stop sending, wait until nothing more comes, and let the judge decide what is in doubt.

        A client that has missed a message must still be served: it has to receive one of those that are sent at the
        end. All processes of the load stop sending before any of them waits, and they wait for each other.

        Args:
            step_s: for how long to look for what should not come any more, when everything has come.

        Raises:
            Violation: no conforming server can have sent what the clients received.
        """
        self.engine.stop_sending()
        self._sent = self._sent_by_all()
        self._drain(int(step_s * 1e9))
        self._check_all_are_served()
        self.step(0)  # Python's part of the last step may have left something to report
        self.settle()

    def settle(self) -> None:
        """Let the judge decide what is in doubt, in this process and over all processes of the load.

        Raises:
            Violation: no conforming server can have sent what the clients received.
        """
        self._sent = self._sent_by_all()
        self._streams.resolve_doubt()
        self._streams.compare_processes(self._sent)

    def _sent_by_all(self) -> list[int]:
        """Return how many messages each sender has sent, over all processes of the load."""
        counts = self.processes.gather([self.sent(sender) for sender in self.sender_numbers])
        return [sum(of_sender) for of_sender in zip(*counts, strict=True)]

    def _drain(self, step_ns: int) -> None:
        """Receive until all processes have everything, or nothing more comes, or it has taken too long."""
        clock, expected, quiet = LoopClock(), self._expected(), Quiet(self.engine, TURN_S)
        while True:
            self.step(time.monotonic_ns() + step_ns)
            has_all = all(received >= count for received, count in zip(self._received(), expected, strict=True))
            has_ended = has_all and not self.engine.has_unsent()
            states = self.processes.gather((has_ended, clock.read(), quiet.read()))
            shortest_quiet_s = min(quiet_s for _, _, quiet_s in states)
            all_have_ended = all(has_ended for has_ended, _, _ in states)
            if all_have_ended or shortest_quiet_s > QUIET_S or states[0][1] > DRAIN_S:
                break

    def _check_all_are_served(self) -> None:
        """Send to each topic until every client that has missed a message has received another one."""
        before = self._received()
        lacking = [
            client
            for client, (received, expected) in enumerate(zip(before, self._expected(), strict=True))
            if received < expected
        ]
        senders = {sender.topic: number for number, sender in enumerate(self.senders)}
        clock, wait_s, count = LoopClock(), 0.02, 0
        while self._go_on(bool(lacking), clock.read() < LAST_WORDS_S):
            for sender in self.own_senders.intersection(senders.values()):
                self.engine.send(sender, 1)
            count += 1
            until = time.monotonic() + wait_s
            while lacking and time.monotonic() < until:
                self.step(int(until * 1e9))
                lacking = [client for client in lacking if self.engine.received_count(client) == before[client]]
            wait_s = min(QUIET_S, 2 * wait_s)
        if lacking:
            raise Violation(
                f"client {self._numbers[lacking[0]]} was forgotten: it received none of {count} messages that were "
                "sent one after the other when the load had ended"
            )

    def _go_on(self, is_wanted: bool, has_time: bool) -> bool:
        """Return whether any process of the load wants to go on, and rank 0 has time left."""
        states = self.processes.gather((is_wanted, has_time))
        return any(is_wanted for is_wanted, _ in states) and states[0][1]

    def _received(self) -> list[int]:
        return [self.engine.received_count(client) for client in range(len(self._subscriptions))]

    def _expected(self) -> list[int]:
        """Return for each client how many messages were sent to its topics."""
        by_topic: dict[int, int] = defaultdict(int)
        for number, sender in enumerate(self.senders):
            by_topic[sender.topic] += self._sent[number]
        by_group = {topics: sum(by_topic[topic] for topic in topics) for topics in self._groups}
        return [by_group[topics] for topics in self._subscriptions]

    def shares(self, before: LoadSnapshot, after: LoadSnapshot) -> dict[str, float]:
        """Return the figures of every load, when it has finished: drops, and shares of processor time.

        With several processes, the generator's share is that of the busiest: it is the first that can do no more.
        """
        elapsed_s = after.at - before.at
        own_share = (after.generator_cpu_s - before.generator_cpu_s) / elapsed_s
        counts = self.processes.gather(
            (len(self._subscriptions), sum(self._received()), sum(self._expected()), own_share)
        )
        clients, received, expected, generator_shares = zip(*counts, strict=True)
        figures = {
            "clients": sum(clients),
            "dropped_share": 1 - sum(received) / max(1, sum(expected)),
            "server_cpu_share": (after.server_cpu_s - before.server_cpu_s) / elapsed_s,
            "generator_cpu_share": max(generator_shares),
        }
        if self.processes.count > 1:
            figures["generator_processes"] = self.processes.count
        return figures
