"""A swarm: clients that load one server, and what that load costs and achieves.

A workload connects clients, then starts a load: as fast as a limit of messages in flight allows, at a rate on a
schedule, or both; beside transient clients, or clients that do not read. When a load ends, every delivery has been
verified: its bytes were sent, to a topic to which the client subscribed, no client received it twice, and there is one
order for all.

A swarm loads its server once: what the server still delivers afterwards would look foreign in a second load.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from hdrh.histogram import HdrHistogram

from harness.errors import Violation
from harness.figures import Figures
from harness.load import accounting, latency
from harness.load.accounting import UsageSnapshot
from harness.load.clients import stalled
from harness.load.clients.clients import Clients
from harness.load.clients.transient import TransientClients
from harness.load.load import Load
from harness.load.pacing import InFlightPacer, SchedulePacer, run_until
from harness.load.verify.frames import Sender
from harness.servers import resources

OVERLOAD_CHECK_NS = 50_000_000  # between two checks whether the server is overloaded


@dataclass
class Swarm:
    """Clients of one server and the loads they make; what a workload drives.

    Attributes:
        clients: the clients: a workload connects them and lets them join before it starts a load.
        server_pid: the server's process, for its memory and processor time; `resources.ELSEWHERE` where it is on
            another machine, and rank 0 of the load reads them.
        cores: the processor cores that server and load may use.
        figures: the results, by name; it takes those only that the workload declares.
        histogram: the latencies, encoded; "" where none were measured.
    """

    clients: Clients
    server_pid: int
    cores: Collection[int] = ()
    figures: Figures = field(default_factory=Figures)
    histogram: str = ""

    # --- usage of memory and processors

    def server_rss_bytes(self) -> int:
        """Return the resident memory of the server now, with all processes below it."""
        return resources.usage(self.server_pid).rss_bytes

    def end_of_trial(self) -> dict[str, float]:
        """Return the figures with which a trial ends: memory, of the server at its peak and of the generator now.

        No process of a load returns from here before all have run.
        """
        return {
            "server_rss_peak_bytes": resources.peak_rss_bytes(self.server_pid),
            "generator_rss_bytes": sum(self.clients.processes.gather(resources.own_rss_bytes())),
        }

    @contextmanager
    def record_usage(self) -> Iterator[None]:
        """Record processor shares of what is done in the `with` block; the load methods do that themselves."""
        before = self._usage()
        yield
        self._record_shares(accounting.shares(before, self._usage(), self.cores))

    def _usage(self) -> UsageSnapshot:
        return accounting.take_snapshot(self.server_pid, self.cores)

    def _record_shares(self, shares: dict[str, float]) -> None:
        self.figures |= shares
        self.figures["generator_limited"] = accounting.generator_limited(self.figures)

    # --- loads

    def flat_out(
        self, senders: Sequence[Sender], *, in_flight: int, text_bytes: int, warm_up_s: float, seconds: float
    ) -> None:
        """Send as fast as a limit of messages in flight allows, and count deliveries.

        Args:
            senders: the clients that send, and their topics.
            in_flight: the limit, over all senders. A message is in flight until its sender has received it.
            text_bytes: the length of every text.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.
        """
        load = self._load(senders, text_bytes)
        self._run(load, warm_up_s, seconds, flood=InFlightPacer(load, load.sender_numbers, in_flight))

    def paced(
        self,
        senders: Sequence[Sender],
        *,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
        overloaded_after_s: float = 0,
    ) -> None:
        """Send on a schedule, whatever the server does (an open loop), and measure latencies from the intended times.

        Message n is due n / rate seconds after the start, and its sender is number n modulo the number of senders. Each
        sender times its own messages. Messages of the warm-up are sent and verified, but not measured.

        Args:
            senders: the clients that send, and their topics.
            rate_per_s: messages a second, over all senders.
            text_bytes: the length of every text.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.
            overloaded_after_s: end the load early, and say so in the figures, when more messages are in flight than are
                due in so many seconds; 0 for never.
        """
        load = self._load(senders, text_bytes)
        schedule = SchedulePacer(load, load.sender_numbers, rate_per_s)
        self._run(load, warm_up_s, seconds, schedule=schedule, overloaded_after_s=overloaded_after_s)

    def paced_with_flood(
        self,
        flooding: Sequence[Sender],
        scheduled: Sequence[Sender],
        *,
        in_flight: int,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Let some clients send flat out and others on a schedule; only the latter measure latencies.

        Args:
            flooding: the clients that send flat out, and their topics.
            scheduled: the clients that send on a schedule, and their topics.
            in_flight: the limit of messages in flight, over all flooding senders.
            rate_per_s: messages a second, over all scheduled senders.
            text_bytes: the length of every text.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.
        """
        load = self._load([*flooding, *scheduled], text_bytes)
        flood = InFlightPacer(load, load.sender_numbers[: len(flooding)], in_flight)
        schedule = SchedulePacer(load, load.sender_numbers[len(flooding) :], rate_per_s)
        self._run(load, warm_up_s, seconds, flood=flood, schedule=schedule)

    def paced_with_transient_clients(
        self,
        senders: Sequence[Sender],
        *,
        rate_per_s: float,
        transient_per_s: float,
        stay_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Send on a schedule while transient clients join and leave; measure how long these wait for a message.

        Args:
            senders: the clients that send, and their topics.
            rate_per_s: messages a second, over all senders.
            transient_per_s: transient clients a second, at even intervals.
            stay_s: how long each of them stays.
            text_bytes: the length of every text.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.

        Raises:
            Violation: no transient client has received anything.
        """
        clients = self.clients
        load = self._load(senders, text_bytes)
        transient = TransientClients(
            clients.address,
            clients.codec,
            load,
            rate_per_s=transient_per_s,
            stay_s=stay_s,
            topics=clients.subscriptions[0],
        )
        schedule = SchedulePacer(load, load.sender_numbers, rate_per_s)
        self._run(load, warm_up_s, seconds, schedule=schedule, transient=transient)
        if not transient.waits_ns:
            raise Violation("no transient client ever received anything")
        waits = latency.histogram_of(np.asarray(transient.waits_ns, np.int64))
        self.figures |= {
            "transient_clients": len(transient.waits_ns) + transient.unserved,
            "transient_clients_without_delivery": transient.unserved,
            "transient_first_message_p50_ns": latency.percentile_ns(waits, 50),
            "transient_first_message_p99_ns": latency.percentile_ns(waits, 99),
        }

    def paced_with_stalled_clients(
        self,
        senders: Sequence[Sender],
        *,
        stalled_clients: int,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Send on a schedule while some clients do not read; then let these read, and verify what they receive.

        Args:
            senders: the clients that send, and their topics; none of them is stalled.
            stalled_clients: how many of the clients do not read: the last ones to connect.
            rate_per_s: messages a second, over all senders.
            text_bytes: the length of every text.
            warm_up_s: how long to send before the measurement.
            seconds: how long to measure.
        """
        reading = len(self.clients.sockets) - stalled_clients
        load = self._load(senders, text_bytes, reading)
        before = self.server_rss_bytes()
        schedule = SchedulePacer(load, load.sender_numbers, rate_per_s)
        self._run(load, warm_up_s, seconds, schedule=schedule, stalled_sockets=self.clients.sockets[reading:])
        self.figures["rss_growth_bytes"] = self.figures["rss_loaded_bytes"] - before

    def _load(self, senders: Sequence[Sender], text_bytes: int, count: int | None = None) -> Load:
        """Return a load on the first `count` clients of this process, or on all."""
        clients = self.clients
        return Load(
            clients.sockets[:count],
            [clients.subscriptions[number] for number in clients.numbers[:count]],
            clients.codec,
            self.server_pid,
            senders,
            text_bytes,
            as_arriving=clients.as_arriving,
            are_together=clients.are_together,
            numbers=clients.numbers[:count],
            processes=clients.processes,
        )

    def _run(
        self,
        load: Load,
        warm_up_s: float,
        seconds: float,
        *,
        flood: InFlightPacer | None = None,
        schedule: SchedulePacer | None = None,
        transient: TransientClients | None = None,
        stalled_sockets: Sequence[socket.socket] = (),
        overloaded_after_s: float = 0,
    ) -> None:
        """Run the parts of a load at the same time, verify it, and record its figures."""
        processes = self.clients.processes
        counters = resources.kernel_counters(self.server_pid)
        before, start, begin_ns = load.snapshot(), self._usage(), time.monotonic_ns()
        for duration in (warm_up_s, seconds):
            if self.figures.get("overloaded"):
                break
            before, start = load.snapshot(), self._usage()
            begin_ns = processes.same_moment_ns()
            end_ns = begin_ns + int(duration * 1e9)
            if schedule:
                schedule.count_from(begin_ns)
            if schedule and overloaded_after_s:
                end_ns = self._run_unless_overloaded(load, begin_ns, end_ns, schedule, overloaded_after_s)
            else:
                run_until(load, end_ns, schedule, transient)
        after, end = load.snapshot(), self._usage()
        counters_after = resources.kernel_counters(self.server_pid)
        sent = schedule.lags.count if schedule else 0
        if stalled_sockets:
            self.figures["rss_loaded_bytes"] = self.server_rss_bytes()
            self.figures |= stalled.resume(load, stalled_sockets, self.clients.subscriptions[-1])
        if transient:
            transient.end()
        load.finish()
        shares = accounting.shares_over_machines(processes, start, end, self.cores)
        self._record_shares(shares | load.shares(before, after))
        results = processes.gather((before, after, sent))
        all_deliveries = sum(after.deliveries for _, after, _ in results)
        self.figures |= accounting.per_delivery(counters, counters_after, all_deliveries)
        deliveries = sum(after.deliveries - before.deliveries for before, after, _ in results)
        if flood:
            self.figures |= {
                "deliveries_per_s": sum(
                    (after.deliveries - before.deliveries) / (after.at - before.at) for before, after, _ in results
                ),
                "server_cpu_ns_per_delivery": (after.server_cpu_s - before.server_cpu_s) / max(1, deliveries) * 1e9,
                "in_flight": flood.in_flight,
            }
        if schedule:
            schedule.collect()
            if not self.figures.get("overloaded"):
                schedule.check()
            latencies, lags = self._merged(schedule.latencies), self._merged(schedule.lags)
            self.histogram = latency.encode(latencies)
            self.figures |= {
                "offered_per_s": schedule.rate_per_s,
                "sent_share": sum(sent for *_, sent in results) / (schedule.rate_per_s * (end_ns - begin_ns) / 1e9),
                "latency_p50_ns": latency.percentile_ns(latencies, 50),
                "latency_p99_ns": latency.percentile_ns(latencies, 99),
                "send_lag_p99_ns": latency.percentile_ns(lags, 99),
            }

    def _merged(self, recorder: latency.Recorder) -> HdrHistogram:
        """Return the histogram of what all processes of the load have recorded."""
        processes = self.clients.processes
        if processes.count == 1:
            return recorder.to_histogram()
        return latency.merge(processes.gather(latency.encode(recorder.to_histogram())))

    def _run_unless_overloaded(
        self, load: Load, begin_ns: int, end_ns: int, schedule: SchedulePacer, overloaded_after_s: float
    ) -> int:
        """Run the load until its end or until the server is overloaded; return the time of that (monotonic ns)."""
        self.figures["overloaded"] = 0.0
        while begin_ns < end_ns and not self.figures["overloaded"]:
            begin_ns = min(begin_ns + OVERLOAD_CHECK_NS, end_ns)
            run_until(load, begin_ns, schedule, None)
            here = sum(sent - received for sent, received in map(load.engine.sender_counts, load.sender_numbers))
            in_flight = sum(self.clients.processes.gather(here))
            self.figures["overloaded"] = float(in_flight > overloaded_after_s * schedule.rate_per_s)
        return begin_ns
