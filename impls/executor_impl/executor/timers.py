"""Timers: a heap of deadlines, each with the task to wake.

A binary heap (Williams 1964, here Python's heapq): adding and firing cost O(log n). A timer
that is removed stays in the heap as a dead entry, because a heap cannot find an entry in its
middle. When the dead entries outnumber the others, the heap is rebuilt, so removing costs O(1)
on average and the heap is never more than twice as long as needed. asyncio does the same.
"""

from __future__ import annotations

import heapq
import threading
from itertools import count
from typing import Any

from .task import Task


class Timer:
    """One deadline; `task` is None once it has fired or was removed."""

    __slots__ = ("task",)

    def __init__(self, task: Task[Any]) -> None:
        self.task: Task[Any] | None = task


class Timers:
    """Timers by their deadlines, in seconds on a clock of the caller's choice. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()  # of equal deadlines, the first added fires first
        self._dead = 0  # removed, and still in the heap

    def add(self, deadline: float, task: Task[Any]) -> tuple[Timer, bool]:
        """Return a timer for this task, and whether it is the first one due."""
        timer = Timer(task)
        with self._lock:
            self._bury()
            heapq.heappush(self._heap, (deadline, next(self._numbers), timer))
            return timer, self._heap[0][2] is timer

    def remove(self, timer: Timer) -> None:
        """Forget a timer; nothing happens if it has fired."""
        with self._lock:
            if timer.task is None:
                return
            timer.task = None
            self._dead += 1
            if self._dead > len(self._heap) // 2:
                self._heap = [entry for entry in self._heap if entry[2].task is not None]
                heapq.heapify(self._heap)
                self._dead = 0

    def next(self) -> float | None:
        """Return the earliest deadline, None if there is none."""
        with self._lock:
            self._bury()
            return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Task[Any]]:
        """Fire all timers with a deadline up to `now`; return their tasks, for the caller to wake."""
        tasks: list[Task[Any]] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                timer = heapq.heappop(self._heap)[2]
                if timer.task is None:
                    self._dead -= 1
                else:
                    tasks.append(timer.task)
                    timer.task = None
        return tasks

    def _bury(self) -> None:
        """Remove dead entries from the top, so that no worker wakes up for them."""
        while self._heap and self._heap[0][2].task is None:
            heapq.heappop(self._heap)
            self._dead -= 1

    def __len__(self) -> int:
        """Return the number of timers that have neither fired nor been removed."""
        with self._lock:
            return len(self._heap) - self._dead
