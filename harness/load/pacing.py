"""What makes a load's voices speak: a window, a schedule; and the loop that serves both."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.errors import Violation
from harness.load import latency
from harness.load.clients.transient import Churn
from harness.load.load import Load

LEAD_NS = 10_000_000  # before the first message of a schedule is due


class Flood:
    """Some voices speak as fast as a window lets them.

    Args:
        window: messages on their way at a time, over all of them: sent and not yet heard by who sent them.
    """

    def __init__(self, load: Load, voices: Sequence[int], window: int) -> None:
        self.window = window
        for voice in voices:
            if voice in load.own:
                load.core.flood(voice, max(1, window // len(voices)))


class Pace:
    """Some voices speak on a schedule in closed form: message n is due n / rate seconds after the start.

    Attributes:
        latencies: from a message's intended time until who said it heard it, of those that count.
        lags: how late each was said.
    """

    def __init__(self, load: Load, voices: Sequence[int], rate_per_s: float) -> None:
        self._load, self.rate_per_s = load, rate_per_s
        self._start_ns, self._first = load.ranks.agree(time.monotonic_ns()) + LEAD_NS, 0
        self.latencies, self.lags = latency.Recorder(), latency.Recorder()
        load.core.pace(list(voices), self._start_ns, 1e9 / rate_per_s)

    def count_from(self, begin_ns: int) -> None:
        """Let what is due until then be the warm-up, and take only from then on."""
        self._first = max(0, int((begin_ns - self._start_ns) * self.rate_per_s / 1e9) + 1)
        self.latencies, self.lags = latency.Recorder(), latency.Recorder()

    def note(self) -> None:
        """Take what is new."""
        for rows, into in ((self._load.latencies(), self.latencies), (self._load.lags(), self.lags)):
            into.record(rows[rows[:, 0] >= self._first, 1])

    def check(self) -> None:
        """Raise Violation when nothing that counts was heard, by whichever process of the load."""
        if not any(self._load.ranks.gather(self.latencies.count)):
            raise Violation("no sender ever heard itself")


def drive(load: Load, end_ns: int, pace: Pace | None, churn: Churn | None) -> None:
    """Let the load go on until then, in monotonic ns."""
    while time.monotonic_ns() < end_ns:
        load.ranks.look()
        if churn:
            churn.act()
        took = load.step(min(end_ns, churn.due_ns) if churn else end_ns)
        if churn:
            for client, at_ns in took:
                churn.heard(client, at_ns)
        if pace:
            pace.note()
