"""A swarm: clients that load one server and keep the accounts of it.

A workload asks for clients, then for a load: flat out within a window, or at a rate on a schedule, or both, with
guests that come and go, or some who do not read. After each load every delivery has been verified: bytes that were
sent, to a topic that was asked for, nobody told twice, one order for all.

One load a server: what a server still delivers of it when it has ended would be foreign to another one.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from hdrh.histogram import HdrHistogram

from harness.errors import Violation
from harness.load import accounting, latency
from harness.load.accounting import Moment
from harness.load.clients import stalled
from harness.load.clients.clients import Clients
from harness.load.clients.transient import Churn
from harness.load.load import Load
from harness.load.pacing import Flood, Pace, drive
from harness.load.verify.frames import Voice
from harness.servers import resources

LOOK_NS = 50_000_000  # between two looks at whether a load is hopeless


@dataclass
class Swarm(Clients):
    """Clients of one server; a workload drives it and leaves its figures in `figures` and `histogram`.

    Attributes:
        cores: those that server and load may use.
        figures: what was measured, by name, the unit at the end of the name.
        histogram: latencies, encoded, or "".
    """

    cores: Collection[int] = ()
    figures: dict[str, float] = field(default_factory=dict)
    histogram: str = ""

    # --- accounts

    def server_rss_bytes(self) -> int:
        """Return the resident memory of the server now, with all processes below it."""
        return resources.usage(self.server_pid).rss_bytes

    def memory(self) -> dict[str, float]:
        """Return what every trial tells of memory when it ends: the worst of the server, and the generator's now."""
        return {
            "server_rss_peak_bytes": resources.peak_rss_bytes(self.server_pid),
            "generator_rss_bytes": resources.usage(os.getpid()).rss_bytes,
        }

    def _moment(self) -> Moment:
        return accounting.moment(self.server_pid, self.cores)

    @contextmanager
    def accounted(self) -> Iterator[None]:
        """Keep the accounts of what is done meanwhile; a load keeps its own."""
        before = self._moment()
        yield
        self.figures |= accounting.shares(before, self._moment(), self.cores)
        self.figures["generator_limited"] = accounting.limited(self.figures)

    # --- loads

    def flat_out(
        self, voices: Sequence[Voice], *, window: int, text_bytes: int, warm_up_s: float, seconds: float
    ) -> None:
        """Send as fast as the window lets, and count deliveries.

        Args:
            window: messages on their way at a time, over all voices: sent and not yet heard by who speaks.
            warm_up_s, seconds: before the counting, and of it.
        """
        load = self._load(voices, text_bytes)
        self._run(load, warm_up_s, seconds, Flood(load, load.senders, window))

    def paced(
        self,
        voices: Sequence[Voice],
        *,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
        hopeless_s: float = 0,
    ) -> None:
        """Send on a schedule, whatever the server does, and take latencies from the intended times.

        Message n is due n / rate seconds after the start, and is said by the voice n modulo their number. Each
        times its own messages. Messages of the warm-up are sent and verified, and not counted.

        Args:
            hopeless_s: end the load early, and say so in the figure "hopeless", when so many seconds' messages are
                on their way; 0 for never.
        """
        load = self._load(voices, text_bytes)
        self._run(load, warm_up_s, seconds, pace=Pace(load, load.senders, rate_per_s), hopeless_s=hopeless_s)

    def paced_beside_flood(
        self,
        loud: Sequence[Voice],
        light: Sequence[Voice],
        *,
        window: int,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Let some speak flat out and others on a schedule, of whom the latencies are."""
        load = self._load([*loud, *light], text_bytes)
        flood = Flood(load, load.senders[: len(loud)], window)
        self._run(load, warm_up_s, seconds, flood, Pace(load, load.senders[len(loud) :], rate_per_s))

    def paced_beside_guests(
        self,
        voices: Sequence[Voice],
        *,
        rate_per_s: float,
        guests_per_s: float,
        stay_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Send on a schedule while guests come, hear, and leave; tell how long they waited for their first message."""
        load = self._load(voices, text_bytes)
        churn = Churn(
            self.address, self.codec, load, rate_per_s=guests_per_s, stay_s=stay_s, topics=self.subscriptions[0]
        )
        self._run(load, warm_up_s, seconds, pace=Pace(load, load.senders, rate_per_s), churn=churn)
        if not churn.waits_ns:
            raise Violation("no guest ever heard anything")
        waits = latency.histogram(np.asarray(churn.waits_ns, np.int64))
        self.figures |= {
            "guests": len(churn.waits_ns) + churn.deaf,
            "deaf_guests": churn.deaf,
            "guest_p50_ns": latency.percentile_ns(waits, 50),
            "guest_p99_ns": latency.percentile_ns(waits, 99),
        }

    def paced_beside_frozen(
        self,
        voices: Sequence[Voice],
        *,
        frozen_clients: int,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Send on a schedule while the last of the clients do not read; then let these read, and verify that too."""
        healthy = len(self.sockets) - frozen_clients
        load = self._load(voices, text_bytes, healthy)
        before = self.server_rss_bytes()
        self._run(load, warm_up_s, seconds, pace=Pace(load, load.senders, rate_per_s), asleep=self.sockets[healthy:])
        self.figures["rss_growth_bytes"] = self.figures.pop("rss_loaded_bytes") - before

    def _load(self, voices: Sequence[Voice], text_bytes: int, count: int | None = None) -> Load:
        return Load(
            self.sockets[:count],
            [self.subscriptions[number] for number in self.numbers[:count]],
            self.codec,
            self.server_pid,
            voices,
            text_bytes,
            as_arriving=self.as_arriving,
            are_together=self.are_together,
            numbers=self.numbers[:count],
            ranks=self.ranks,
        )

    def _run(
        self,
        load: Load,
        warm_up_s: float,
        seconds: float,
        flood: Flood | None = None,
        pace: Pace | None = None,
        churn: Churn | None = None,
        *,
        asleep: Sequence[socket.socket] = (),
        hopeless_s: float = 0,
    ) -> None:
        """Do all that is asked for, at once; verify it; leave the figures of what it was."""
        services = resources.services(self.server_pid)
        before, start, begin_ns = load.account(), self._moment(), time.monotonic_ns()
        for duration in (warm_up_s, seconds):
            if self.figures.get("hopeless"):
                break
            before, start = load.account(), self._moment()
            begin_ns = self.ranks.agree(time.monotonic_ns())
            end_ns = begin_ns + int(duration * 1e9)
            if pace:
                pace.count_from(begin_ns)
            if pace and hopeless_s:
                end_ns = self._drive_while_hopeful(load, begin_ns, end_ns, pace, hopeless_s)
            else:
                drive(load, end_ns, pace, churn)
        after, end = load.account(), self._moment()
        served = resources.services(self.server_pid)
        sent = pace.lags.count if pace else 0
        if asleep:
            self.figures["rss_loaded_bytes"] = self.server_rss_bytes()
            self.figures |= stalled.thaw(load, asleep, self.subscriptions[-1])
        if churn:
            churn.end()
        load.finish()
        self.figures |= accounting.shares(start, end, self.cores) | load.shares(before, after)
        self.figures["generator_limited"] = accounting.limited(self.figures)
        told = self.ranks.gather((before, after, sent))
        self.figures |= accounting.per_delivery(services, served, sum(end.deliveries for _, end, _ in told))
        deliveries = sum(end.deliveries - begin.deliveries for begin, end, _ in told)
        if flood:
            self.figures |= {
                "deliveries_per_s": sum(
                    (end.deliveries - begin.deliveries) / (end.at - begin.at) for begin, end, _ in told
                ),
                "server_cpu_ns_per_delivery": (after.server_cpu_s - before.server_cpu_s) / max(1, deliveries) * 1e9,
                "window": flood.window,
            }
        if pace:
            pace.note()
            if not self.figures.get("hopeless"):
                pace.check()
            times, lags = self._merged(pace.latencies), self._merged(pace.lags)
            self.histogram = latency.encoded(times)
            self.figures |= {
                "offered_per_s": pace.rate_per_s,
                "sent_share": sum(sent for _, _, sent in told) / (pace.rate_per_s * (end_ns - begin_ns) / 1e9),
                "latency_p50_ns": latency.percentile_ns(times, 50),
                "latency_p99_ns": latency.percentile_ns(times, 99),
                "send_lag_p99_ns": latency.percentile_ns(lags, 99),
            }

    def _merged(self, recorder: latency.Recorder) -> HdrHistogram:
        """Return the histogram of what all processes of the load have recorded."""
        if self.ranks.count == 1:
            return recorder.whole()
        return latency.merged(self.ranks.gather(latency.encoded(recorder.whole())))

    def _drive_while_hopeful(self, load: Load, begin_ns: int, end_ns: int, pace: Pace, hopeless_s: float) -> int:
        """Let the load go on while there is hope; return until when it did."""
        self.figures["hopeless"] = 0.0
        while begin_ns < end_ns and not self.figures["hopeless"]:
            begin_ns = min(begin_ns + LOOK_NS, end_ns)
            drive(load, begin_ns, pace, None)
            here = sum(said - echoed for said, echoed in map(load.core.voice, load.senders))
            on_their_way = sum(self.ranks.gather(here))
            self.figures["hopeless"] = float(on_their_way > hopeless_s * pace.rate_per_s)
        return begin_ns
