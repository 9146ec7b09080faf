"""Channels: a single value, a bounded queue, and a broadcast to all receivers.

A task that must wait is suspended and woken. Values are never handed to a waiting task: it takes
them itself when it runs, so a value that a cancelled task would have taken is left for the next.
Methods that are not `async` may be called from any thread, also from outside the executor.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from .task import Condition

T = TypeVar("T")


class Closed(Exception):
    """Raised when a channel is closed: no more values can be sent, or none are left to receive."""


class Full(Exception):
    """Raised by `send_now` where `send` would wait."""


class Lagged(Exception):
    """Raised once by a receiver of a Broadcast that was too slow.

    Attributes:
        missed: the number of values that the receiver will never get.
    """

    def __init__(self, missed: int) -> None:
        super().__init__(f"{missed} values missed")
        self.missed = missed


class OneShot(Generic[T]):
    """A single value, sent once."""

    def __init__(self) -> None:
        self._changed = Condition()  # guards all that follows
        self._value: list[T] = []
        self._closed = False

    def send(self, value: T) -> None:
        """Send the value; raise Closed after an earlier `send` or `close`."""
        with self._changed:
            if self._closed:
                raise Closed
            self._closed = True
            self._value.append(value)
            self._changed.notify_all()

    def close(self) -> None:
        """End the wait of all receivers, unless a value was sent: no value will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def recv(self) -> T:
        """Return the value, to each receiver the same; raise Closed if none will come."""
        with self._changed:
            while not self._closed:
                await self._changed.wait()
            if not self._value:
                raise Closed
            return self._value[0]


class Channel(Generic[T]):
    """A queue of at most `capacity` values; any task may send, and each value is received once."""

    def __init__(self, capacity: int) -> None:
        lock = threading.Lock()  # guards all that follows
        self._not_empty = Condition(lock)
        self._not_full = Condition(lock)
        self._values: deque[T] = deque()
        self._capacity = capacity
        self._closed = False

    async def send(self, value: T) -> None:
        """Append a value as soon as there is space for it; raise Closed after `close`."""
        with self._not_full:
            while len(self._values) >= self._capacity and not self._closed:
                await self._not_full.wait()
            self._put(value)

    def send_now(self, value: T) -> None:
        """Append a value; raise Full if there is no space, Closed after `close`."""
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
        """Take the oldest value; raise Closed after `close`, when no value is left."""
        with self._not_empty:
            while not self._values:
                if self._closed:
                    raise Closed
                await self._not_empty.wait()
            value = self._values.popleft()
            self._not_full.notify()
            return value

    def close(self) -> None:
        """Close the channel: nothing more can be sent; what was sent can still be received."""
        with self._not_empty:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()


class Broadcast(Generic[T]):
    """Sends every value to every receiver, in one order; the last `capacity` values are kept for slow receivers."""

    def __init__(self, capacity: int) -> None:
        self._changed = Condition()  # guards all that follows
        self._ring: list[T] = []  # the value with number n is at n % capacity
        self._capacity = capacity
        self._sent = 0
        self._closed = False

    def send(self, value: T) -> None:
        """Send a value, replacing the oldest if there is no space; raise Closed after `close`."""
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
        """Close the broadcast; values that are kept can still be received."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def subscribe(self) -> Receiver[T]:
        """Return a receiver of all values sent from now on."""
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
    """A receiver of a Broadcast."""

    def __init__(self, broadcast: Broadcast[T], following: int) -> None:
        self._broadcast = broadcast
        self.following = following  # the number of the next value; guarded by the broadcast's lock

    async def recv(self) -> T:
        """Return the next value; raise Lagged if it is no longer kept, Closed after `close` when no value is left."""
        return await self._broadcast._recv(self)
