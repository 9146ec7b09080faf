"""What makes a load's senders speak: a window, a schedule; and the loop that serves both."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import Violation
from harness.swarm.churn import Churn
from harness.swarm.load import Load, Sender

IDLE_S = 0.05  # at most, between two looks at the window
SPIN_S = 0.0015  # the kernel's timers count in ms, and wake late
LEAD_NS = 10_000_000  # before the first message of a schedule is due


class Flood:
    """Some senders speak as fast as a window lets them.

    Args:
        window: messages on their way at a time, over all of them: sent and not yet heard by who sent them.
    """

    def __init__(self, load: Load, senders: Sequence[Sender], window: int) -> None:
        self._load, self._senders, self.window = load, senders, window
        self._share = max(1, window // len(senders))

    def act(self) -> None:
        """Fill the window."""
        self._load.forgive(self._senders)
        for one in self._senders:
            room = self._share - (one.sent - one.echoed)
            # In batches of half a window: waking up for each echo would measure that instead.
            if room >= max(1, self._share // 2) and not one.unsent:
                self._load.send(one, room)


class Pace:
    """Some senders speak on a schedule in closed form: message n is due n / rate seconds after the start."""

    def __init__(self, load: Load, senders: Sequence[Sender], rate_per_s: float) -> None:
        self._load, self._senders, self.rate_per_s = load, senders, rate_per_s
        self._start_ns = time.monotonic_ns() + LEAD_NS
        self._lags_ns: list[int] = []  # of each message
        self._first = 0  # that counts

    def _intended_ns(self, number: int) -> int:
        return self._start_ns + int(number * (1e9 / self.rate_per_s))

    @property
    def due_ns(self) -> int:
        """When the next message is due, in monotonic ns."""
        return self._intended_ns(len(self._lags_ns))

    def act(self) -> None:
        """Say all that is due."""
        while (late_ns := time.monotonic_ns() - self.due_ns) >= 0:
            number = len(self._lags_ns)
            self._lags_ns.append(late_ns)
            self._load.send(self._senders[number % len(self._senders)], 1)

    def count_from_here(self) -> None:
        """Let what was said so far be the warm-up."""
        self._first = len(self._lags_ns)

    def lags_ns(self) -> NDArray[np.int64]:
        """Return how late each message was sent."""
        return np.asarray(self._lags_ns[self._first :], np.int64)

    def latencies_ns(self) -> NDArray[np.int64]:
        """Return how long after its intended time each message came back to its sender."""
        many = len(self._senders)
        found = [
            arrived_ns - self._intended_ns(number * many + place)
            for place, one in enumerate(self._senders)
            for number, arrived_ns in self._load.echoes(one)
            if number * many + place >= self._first
        ]
        if not found:
            raise Violation("no sender ever heard itself")
        return np.asarray(found, np.int64)


def drive(load: Load, seconds: float, flood: Flood | None, pace: Pace | None, churn: Churn | None) -> None:
    """Let them act for some seconds, and receive meanwhile."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for one in (pace, flood, churn):
            if one:
                one.act()
        due_ns = min((one.due_ns for one in (pace, churn) if one), default=None)
        wait_s = IDLE_S if due_ns is None else min(IDLE_S, (due_ns - time.monotonic_ns()) / 1e9)
        # A deadline that matters is spun for.
        took = load.step(max(0.0, min(wait_s, end - now) - (SPIN_S if due_ns else 0)))
        if churn:
            for client, at_ns in took:
                churn.heard(client, at_ns)
