"""Time in which this process stood still: it was stopped or frozen, by SIGSTOP, a cgroup freezer or a hypervisor.

The clocks go on meanwhile, so every deadline that passed meanwhile has to be extended. A thread notes that it runs,
several times a second. A gap in its notes is a standstill, except for the time in which this process computed or waited
for a processor: then it is only slow. A suspended machine stops the monotonic clock, and leaves no gap.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from harness.processes.proc import own_cpu_wait_s

BEAT_S = 0.25
SHORTEST_S = 1.0  # shorter gaps are counted as time that this process had


class Heartbeat:
    """Notes when it runs, and adds up the gaps in between.

    Args:
        now_s: the monotonic clock.
        at_work_s: how long this process has computed, or waited for a processor, so far.
    """

    def __init__(self, now_s: Callable[[], float], at_work_s: Callable[[], float]) -> None:
        self._now_s, self._at_work_s = now_s, at_work_s
        self._lock = threading.Lock()
        self._latest = now_s(), at_work_s()
        self._stood_still_s = 0.0

    def beat(self) -> float:
        """Note that this process runs; return how long it has stood still so far, in s."""
        with self._lock:
            before_s, work_before_s = self._latest
            self._latest = now_s, work_s = self._now_s(), self._at_work_s()
            gap_s = now_s - before_s - max(0.0, work_s - work_before_s)
            if gap_s >= SHORTEST_S:
                self._stood_still_s += gap_s
            return self._stood_still_s


class LoopClock:
    """Measures how long a loop has run, without the time in which its process stood still.

    It needs no thread: of each turn of the loop only so much counts.

    Args:
        turn_s: how long a turn may take, in s; the rest of it does not count.
        now_s: the monotonic clock.
    """

    def __init__(self, turn_s: float = SHORTEST_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._turn_s, self._now_s, self._latest_s, self._elapsed_s = turn_s, now_s, now_s(), 0.0

    def read(self) -> float:
        """Return for how long the loop has run, in s; called in each turn."""
        before_s, self._latest_s = self._latest_s, self._now_s()
        self._elapsed_s += min(self._latest_s - before_s, self._turn_s)
        return self._elapsed_s


_starting = threading.Lock()
_heartbeat: Heartbeat | None = None


def stood_still_s() -> float:
    """Return how long this process has stood still since the first call, in s."""
    global _heartbeat
    with _starting:
        if _heartbeat is None:
            thread = threading.Thread(target=_beat, name="heartbeat", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads are allowed here
                return 0.0
            own = os.getpid()
            _heartbeat = Heartbeat(time.monotonic, lambda: time.process_time() + own_cpu_wait_s(own))
    return _heartbeat.beat()


def _forget() -> None:
    """Let a forked process start a heartbeat of its own: threads do not come along."""
    global _heartbeat, _starting
    _heartbeat, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def active_s() -> float:
    """Return the monotonic clock without the time in which this process stood still, in s."""
    stood_still = stood_still_s()
    return time.monotonic() - stood_still


def _beat() -> None:
    while True:
        time.sleep(BEAT_S)
        if _heartbeat:
            _heartbeat.beat()
