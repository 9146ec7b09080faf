"""The reactor: epoll, and an eventfd to interrupt the worker that polls it.

It has no thread: a worker with nothing to do calls `poll`. Descriptors are registered once,
for both directions and edge-triggered: the kernel reports each change once, so there is no
system call for each wait, and nothing to undo when a task stops waiting.
"""

from __future__ import annotations

import math
import os
import select
import threading
from typing import Protocol

LONGEST_S = 86_400.0  # epoll counts milliseconds in 32 bits
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Source(Protocol):
    """The owner of a descriptor."""

    def ready(self, events: int) -> None:
        """Wake the tasks that wait for any of these epoll events."""

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""


class Reactor:
    """Passes epoll events to the owners of descriptors. Thread-safe, but only one thread at a time may `poll`."""

    def __init__(self) -> None:
        """Raise OSError when no descriptor is left."""
        self._epoll = select.epoll()
        try:
            self._interrupts = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        except OSError:
            self._epoll.close()
            raise
        self._epoll.register(self._interrupts, select.EPOLLIN)
        self._lock = threading.Lock()
        self._sources: dict[int, Source] = {}

    def register(self, descriptor: int, source: Source) -> None:
        """Start passing the descriptor's events to `source`; raise OSError if the kernel refuses."""
        with self._lock:
            self._epoll.register(descriptor, EVENTS)
            self._sources[descriptor] = source

    def unregister(self, descriptor: int) -> None:
        """Stop it. Call this before closing the descriptor: afterwards its number may have a new owner."""
        with self._lock:
            if self._sources.pop(descriptor, None) is not None:
                self._epoll.unregister(descriptor)

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        """Wait until something happens; return (descriptor, events) pairs, to be passed to `dispatch`.

        `seconds` is the longest wait: 0 for no wait, None for no limit; more than a day is cut to a day. It
        is rounded up to the whole milliseconds that epoll counts: rounded down, the last millisecond
        would be spent in a busy loop.
        """
        if seconds is None:
            return self._epoll.poll()
        return self._epoll.poll(math.ceil(min(seconds, LONGEST_S) * 1000) / 1000)

    def dispatch(self, events: list[tuple[int, int]]) -> None:
        """Pass the events on. At worst, a source that got a descriptor's number since then is woken for nothing."""
        for descriptor, what in events:
            with self._lock:
                source = self._sources.get(descriptor)
            if source is not None:
                source.ready(what)

    def interrupt(self) -> None:
        """Make the current `poll`, or else the next one, return at once, until `calm`."""
        os.eventfd_write(self._interrupts, 1)

    def calm(self) -> None:
        """Withdraw all interrupts so far; there must have been one."""
        os.eventfd_read(self._interrupts)

    def close(self) -> None:
        """Close all remaining sources, and the reactor's own descriptors."""
        with self._lock:
            sources = list(self._sources.values())
        for source in sources:
            source.close()
        self._epoll.close()
        os.close(self._interrupts)
