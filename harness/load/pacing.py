"""When the senders of a load send: within a limit of messages in flight, or on a schedule; and the loop for both."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.errors import Violation
from harness.load import latency
from harness.load.clients.transient import TransientClients
from harness.load.load import Load

LEAD_NS = 10_000_000  # before the first message of a schedule is due
NO_END = 1 << 60  # messages: no schedule gets there


class InFlightPacer:
    """Lets some senders send as fast as a limit of messages in flight allows.

    Args:
        load: the load whose senders they are.
        senders: their numbers.
        in_flight: the limit, over all of them. A message is in flight until its sender has received it.
    """

    def __init__(self, load: Load, senders: Sequence[int], in_flight: int) -> None:
        self.in_flight = in_flight
        for sender in senders:
            if sender in load.own_senders:
                load.engine.flood(sender, max(1, in_flight // len(senders)))


class SchedulePacer:
    """Lets some senders send on a schedule in closed form: message n is due n / rate seconds after the start.

    Args:
        load: the load whose senders they are.
        senders: their numbers.
        rate_per_s: messages a second, over all of them.

    Attributes:
        latencies: from a message's intended time until its sender has received it, for messages after the warm-up.
        lags: how long after its intended time each of these messages was sent.
    """

    def __init__(self, load: Load, senders: Sequence[int], rate_per_s: float) -> None:
        self._load, self.rate_per_s = load, rate_per_s
        self._start_ns, self._first = load.processes.same_moment_ns() + LEAD_NS, 0
        self.latencies, self.lags = latency.Recorder(), latency.Recorder()
        load.engine.pace(list(senders), self._start_ns, 1e9 / rate_per_s, NO_END)

    def count_from(self, begin_ns: int) -> None:
        """Count messages that are due after `begin_ns` (monotonic ns); those before are the warm-up."""
        self._first = max(0, int((begin_ns - self._start_ns) * self.rate_per_s / 1e9) + 1)
        self.latencies, self.lags = latency.Recorder(), latency.Recorder()

    def collect(self) -> None:
        """Record the latencies and lags that the engine has measured since the last call."""
        for rows, recorder in ((self._load.latencies(), self.latencies), (self._load.lags(), self.lags)):
            recorder.record(rows[rows[:, 0] >= self._first, 1])

    def check(self) -> None:
        """Raise Violation when no sender, in any process of the load, has received a message of its own that counts."""
        if not any(self._load.processes.gather(self.latencies.count)):
            raise Violation("no sender ever received a message of its own")


def run_until(load: Load, end_ns: int, schedule: SchedulePacer | None, transient: TransientClients | None) -> None:
    """Let a load go on.

    Args:
        load: the load.
        end_ns: when to return, in monotonic ns.
        schedule: the pacer whose measurements to collect meanwhile, if the load has one.
        transient: the transient clients to connect and disconnect meanwhile, if the load has any.
    """
    while time.monotonic_ns() < end_ns:
        load.processes.check_others()
        if transient:
            transient.act()
        received = load.step(min(end_ns, transient.due_ns) if transient else end_ns)
        if transient:
            for client, at_ns in received:
                transient.note_received(client, at_ns)
        if schedule:
            schedule.collect()
