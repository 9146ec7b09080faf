"""A load that stays: the clients of one server, loaded in many short slices, with everything verified over all of them.

A trial loads a server once. To compare servers on a machine whose speed changes within a fraction of a second, they
have to be loaded in turns of some tens of milliseconds instead. So the clients connect once, and all slices are parts
of one `Load`: whatever a server delivers late is still verified.

Between its slices a server is stopped (SIGSTOP), so that its timers, collectors and polling do not disturb the others.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.load import latency
from harness.load.clients.clients import Clients
from harness.load.load import Load, Quiet
from harness.processes import warden
from harness.processes.proc import cpu_wait_s
from harness.processes.standstill import LoopClock
from harness.servers import resources

BODY_BYTES = 32
FEW = 4  # senders of "few" and "paced"
# Without a byte, after a slice, when something is still missing; more for a server that takes longer to answer, because
# what comes in a later slice would count there.
DRAIN_QUIET_S = 0.03
DRAIN_MAX_S = 1.0
DRAIN_STEP_NS = 1_000_000
TURN_S = 0.02  # of a loop of such steps, with what has come to be read
# As many messages are in flight as come back in this time, which follows the slice: the slices of slow servers would
# take most of the time of a block otherwise. It begins with the fewest: a runtime that compiles while it runs is slow.
WINDOW_S = 0.02
FEWEST_IN_FLIGHT = 64  # over all senders
LEAST_LATE_S = 0.001  # for a server that has delivered everything already
MAX_SLICE_S = 5.0  # for a server that delivers nothing: on a busy machine a conforming one may take that long
LAST_STEP_S = 0.002  # at the end, with what has come meanwhile: the server was let go on before
LEAD_NS = 2_000_000  # before the first message of a schedule is due


@dataclass(frozen=True)
class Kind:
    """A kind of slice.

    Attributes:
        senders: how many clients send; 0 for all.
        in_flight: the limit of messages in flight, over all senders; 0 for a schedule.
        rate_per_s: messages a second, over all senders; 0 for a flood.
    """

    senders: int
    in_flight: int = 0
    rate_per_s: float = 0.0


class Snapshot(NamedTuple):
    """Counts at one moment; two of them make a measurement.

    Attributes:
        at: the moment, in monotonic s.
        received: messages that this process's clients have received.
        server_cpu_s: processor time of the server, with all processes below it.
        generator_cpu_s: processor time of this process.
        generator_wait_s: how long this process has waited for a processor that another one used.
    """

    at: float
    received: int
    server_cpu_s: float
    generator_cpu_s: float
    generator_wait_s: float


KINDS = {
    "few": Kind(senders=FEW, in_flight=1024),
    "all": Kind(senders=0, in_flight=200),
    "single": Kind(senders=1, in_flight=1),
    "paced": Kind(senders=FEW, rate_per_s=500),
}


class ResidentLoad:
    """The load of one server.

    Args:
        clients: those of the server; they have joined.
        server_pid: the server's process.
        orders_senders: whether there may be several senders. The relay could mix the bytes of two within a message.
    """

    def __init__(self, clients: Clients, server_pid: int, *, orders_senders: bool = True) -> None:
        self._clients, self._server_pid, self._quiet_s = clients, server_pid, DRAIN_QUIET_S
        # One sender per client: those of all kinds are among them. With several, the order among the messages of one
        # client would have to be judged apart.
        self._in_flight = {name: min(FEWEST_IN_FLIGHT, kind.in_flight) for name, kind in KINDS.items()}
        senders = clients.senders(clients.count)
        counts = {name: kind.senders or clients.count if orders_senders else 1 for name, kind in KINDS.items()}
        self._senders = {
            name: [senders.index(sender) for sender in clients.senders(count)] for name, count in counts.items()
        }
        self._load = Load(
            clients.sockets,
            [clients.subscriptions[number] for number in clients.numbers],
            clients.codec,
            server_pid,
            senders,
            BODY_BYTES,
            as_arriving=clients.as_arriving,
            are_together=clients.are_together,
            numbers=clients.numbers,
            processes=clients.processes,
        )

    # --- the server's process

    def pause(self) -> None:
        """Stop the server with all processes below it, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server continue."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._clients.processes.rank == 0:
            warden.signal_all(self._server_pid, number)

    # --- slices

    def flood(self, name: str, seconds: float) -> dict[str, float]:
        """Send as fast as the limit in flight allows, for one slice; return its figures.

        Everything that was sent counts, from the first message to the last delivery. A slow server delivers a whole
        window of messages at a time, so that counts at two fixed moments would be right to a window only.

        Args:
            name: the kind of slice.
            seconds: how long to send.

        Raises:
            Violation: the server did what no conforming server does.
        """
        load, processes, kind = self._load, self._clients.processes, KINDS[name]
        senders = [sender for sender in self._senders[name] if sender in load.own_senders]
        each = max(1, self._in_flight[name] // len(self._senders[name]))
        end_ns = processes.from_first(time.monotonic_ns()) + int(seconds * 1e9)
        clock, before = LoopClock(), self._snapshot()
        for sender in senders:
            load.engine.flood(sender, each)
        self._run_until(end_ns)
        while True:
            states = processes.gather((self._received() > before.received, clock.read()))
            took_s = states[0][1]  # the same in all processes, which must do the same
            if any(has_received for has_received, _ in states) or took_s > MAX_SLICE_S:
                break
            end_ns += int(seconds * 1e9)  # a server may take longer than a slice to answer
            self._run_until(end_ns)
            self._quiet_s = max(self._quiet_s, 2 * took_s)
        sent_at = time.monotonic()
        for sender in senders:
            load.engine.flood(sender, 0)
        self._drain(self._senders[name])
        after = self._snapshot()
        if after.received > before.received:
            after = after._replace(at=load.engine.last_progress_ns() / 1e9)
        late_s = processes.from_first(max(LEAST_LATE_S, after.at - sent_at))
        wanted = self._in_flight[name] * WINDOW_S / late_s
        self._in_flight[name] = int(min(kind.in_flight, max(FEWEST_IN_FLIGHT, wanted)))
        return self._figures(before, after)

    def paced(self, name: str, warm_up_s: float, seconds: float) -> tuple[dict[str, float], str]:
        """Send on a schedule for one slice; return its figures and the histogram of its latencies.

        Args:
            name: the kind of slice.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.

        Raises:
            Violation: the server did what no conforming server does.
        """
        load, processes, kind = self._load, self._clients.processes, KINDS[name]
        senders, length = self._senders[name], int(kind.rate_per_s * (warm_up_s + seconds))
        load.latencies(), load.lags()
        start_ns = processes.from_first(time.monotonic_ns()) + LEAD_NS
        load.engine.pace(senders, start_ns, 1e9 / kind.rate_per_s, length)
        begin_ns = start_ns + int(warm_up_s * 1e9)
        self._run_until(begin_ns)
        before = self._snapshot()
        self._run_until(begin_ns + int(seconds * 1e9))
        after = self._snapshot()
        self._drain(senders)
        first = int(kind.rate_per_s * warm_up_s)
        lags, latencies = load.lags(), load.latencies()
        lags, latencies = lags[lags[:, 0] >= first, 1], latencies[latencies[:, 0] >= first, 1]
        recorder = latency.Recorder()
        recorder.record(latencies)
        figures = self._figures(before, after)
        sent, received = (sum(counts) for counts in zip(*processes.gather((len(lags), len(latencies))), strict=True))
        figures |= {"sent": float(sent), "missing": float(max(0, sent - received))}
        return figures, latency.encode(recorder.to_histogram())

    def finish(self) -> None:
        """End all sending and verify everything; raise Violation if the server did what no conforming server does."""
        self._load.finish(LAST_STEP_S)

    def _run_until(self, end_ns: int) -> None:
        while time.monotonic_ns() < end_ns:
            self._load.step(end_ns)

    def _drain(self, senders: Sequence[int]) -> None:
        """Receive until all senders of a slice have everything back, or nothing more comes."""
        load, clock, quiet = self._load, LoopClock(TURN_S), Quiet(self._load.engine, TURN_S)
        own = [sender for sender in senders if sender in load.own_senders]
        load.step(time.monotonic_ns() + DRAIN_STEP_NS)  # the senders may have everything, and the others not yet
        while not self._has_everything(own) and quiet.read() <= self._quiet_s and clock.read() <= DRAIN_MAX_S:
            load.step(time.monotonic_ns() + DRAIN_STEP_NS)
        self._clients.processes.gather(None)

    def _has_everything(self, senders: Sequence[int]) -> bool:
        """Return whether these senders have back all that they have sent."""
        counts = [self._load.engine.sender_counts(sender) for sender in senders]
        return all(sent == received for sent, received in counts) and not self._load.engine.has_unsent()

    def _received(self) -> int:
        return sum(self._load.engine.received_count(client) for client in range(len(self._clients.sockets)))

    def _snapshot(self) -> Snapshot:
        received = self._received()
        server_cpu_s = resources.process_cpu_s(self._server_pid)
        generator_cpu_s, generator_wait_s = time.process_time(), cpu_wait_s(os.getpid())
        # Last, because reading /proc takes up to half a millisecond, which would make fast and slow servers more alike.
        return Snapshot(time.monotonic(), received, server_cpu_s, generator_cpu_s, generator_wait_s)

    def _figures(self, before: Snapshot, after: Snapshot) -> dict[str, float]:
        """Return the figures of a slice, over all processes of the load."""
        at, received, server_s, generator_s, wait_s = (end - start for start, end in zip(before, after, strict=True))
        shares = self._clients.processes.gather((received, at, generator_s / at, wait_s / at))
        deliveries = sum(received for received, *_ in shares)
        return {
            "deliveries_per_s": sum(received / at for received, at, *_ in shares),
            "server_cpu_ns_per_delivery": server_s / max(1.0, deliveries) * 1e9,
            "server_cpu_share": server_s / at,
            "generator_cpu_share": max(share for _, _, share, _ in shares),
            "generator_wait_share": max(share for *_, share in shares),
        }
