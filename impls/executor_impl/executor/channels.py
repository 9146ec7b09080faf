"""Channels: one value for one task, a bounded queue, and the same for everybody.

Who must wait is suspended and woken; nothing is ever handed to a task that waits: it takes it
itself when it runs, so what a cancelled task would have taken is still there for the next.
Methods that are not `async` may be called from any thread, also from outside the executor.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from .task import Condition

T = TypeVar("T")


class Closed(Exception):
    """Raised where nothing will come any more, or nobody will take it."""


class Full(Exception):
    """Raised by `send_now` where `send` would wait."""


class Lagged(Exception):
    """Raised once by a broadcast's receiver that was too slow.

    Attributes:
        missed: how many values it will never see.
    """

    def __init__(self, missed: int) -> None:
        super().__init__(f"{missed} values missed")
        self.missed = missed


class OneShot(Generic[T]):
    """One value, sent once."""

    def __init__(self) -> None:
        self._changed = Condition()  # guards what follows
        self._value: list[T] = []
        self._closed = False

    def send(self, value: T) -> None:
        """Send the value; raise Closed if there was one before, or `close`."""
        with self._changed:
            if self._closed:
                raise Closed
            self._closed = True
            self._value.append(value)
            self._changed.notify_all()

    def close(self) -> None:
        """Tell who receives that no value will come, if none has."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def recv(self) -> T:
        """Return the value, to everybody who asks; raise Closed if none will come."""
        with self._changed:
            while not self._closed:
                await self._changed.wait()
            if not self._value:
                raise Closed
            return self._value[0]


class Channel(Generic[T]):
    """A queue of at most `capacity` values: many send, and each value is received once."""

    def __init__(self, capacity: int) -> None:
        lock = threading.Lock()  # guards all that follows
        self._not_empty = Condition(lock)
        self._not_full = Condition(lock)
        self._values: deque[T] = deque()
        self._capacity = capacity
        self._closed = False

    async def send(self, value: T) -> None:
        """Append a value, once there is room for it; raise Closed after `close`."""
        with self._not_full:
            while len(self._values) >= self._capacity and not self._closed:
                await self._not_full.wait()
            self._put(value)

    def send_now(self, value: T) -> None:
        """Append a value; raise Full if there is no room, Closed after `close`."""
        with self._not_full:
            if len(self._values) >= self._capacity and not self._closed:
                raise Full
            self._put(value)

    def _put(self, value: T) -> None:
        if self._closed:
            raise Closed
        self._values.append(value)
        self._not_empty.notify()

    async def recv(self) -> T:
        """Take the oldest value; raise Closed after `close`, when all that was sent before is taken."""
        with self._not_empty:
            while not self._values:
                if self._closed:
                    raise Closed
                await self._not_empty.wait()
            value = self._values.popleft()
            self._not_full.notify()
            return value

    def close(self) -> None:
        """End it: nothing more is sent, and what was sent can still be received."""
        with self._not_empty:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()


class Broadcast(Generic[T]):
    """Every value for every receiver, in one order; the last `capacity` are kept for the slow."""

    def __init__(self, capacity: int) -> None:
        self._changed = Condition()  # guards all that follows
        self._ring: list[T] = []  # the value with number n stands at n % capacity
        self._capacity = capacity
        self._sent = 0
        self._closed = False

    def send(self, value: T) -> None:
        """Send a value, over the oldest one where there is no room; raise Closed after `close`."""
        with self._changed:
            if self._closed:
                raise Closed
            if self._sent < self._capacity:
                self._ring.append(value)
            else:
                self._ring[self._sent % self._capacity] = value
            self._sent += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End it; what is kept can still be received."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def subscribe(self) -> Receiver[T]:
        """Return a receiver of all that is sent from now on."""
        with self._changed:
            return Receiver(self, self._sent)

    async def _recv(self, receiver: Receiver[T]) -> T:
        with self._changed:
            while receiver.following == self._sent:
                if self._closed:
                    raise Closed
                await self._changed.wait()
            oldest = self._sent - len(self._ring)
            if receiver.following < oldest:
                missed, receiver.following = oldest - receiver.following, oldest
                raise Lagged(missed)
            value = self._ring[receiver.following % self._capacity]
            receiver.following += 1
            return value


class Receiver(Generic[T]):
    """One listener of a Broadcast."""

    def __init__(self, broadcast: Broadcast[T], following: int) -> None:
        self._broadcast = broadcast
        self.following = following  # the number of the next value; the broadcast's, under its lock

    async def recv(self) -> T:
        """Return the next value; raise Lagged if it is gone already, Closed after `close` when all is received."""
        return await self._broadcast._recv(self)
