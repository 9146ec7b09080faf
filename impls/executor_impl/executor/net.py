"""Sockets whose operations suspend the task instead of blocking the thread."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from .scheduler import current_executor
from .task import Condition

T = TypeVar("T")

# A hang-up or an error ends every wait too: the next attempt reports which it was.
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
WRITABLE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR


class Socket:
    """A stream socket or a listener; any task of the executor that created it may use it.

    All operations raise OSError as those of socket.socket do, and Cancelled; then none of them has
    received or sent anything, except `sendall`. `close` ends all waits with EBADF.

    Every operation is an attempt and, if that would block, a wait before the next attempt. The attempt
    and the entry into the list of waiting tasks are one step under the lock that `ready` takes as well:
    an event comes either before the attempt, which then succeeds, or after the entry, and wakes the task.
    An attempt that succeeds at once does not suspend: a task that loops over a socket that is always
    ready should `yield_now`.
    """

    __slots__ = ("_lock", "_reactor", "_readable", "_writable", "raw")

    def __init__(self, raw: socket.socket) -> None:
        """Take over a socket: it is closed with this object, or at the latest when the executor ends.

        Raises OSError if it cannot be watched; then the caller still owns it.
        """
        raw.setblocking(False)
        self.raw = raw  # for options and addresses
        self._lock = threading.Lock()
        self._readable = Condition(self._lock)
        self._writable = Condition(self._lock)
        self._reactor = current_executor().reactor
        self._reactor.register(raw.fileno(), self)

    def ready(self, events: int) -> None:
        """Wake the tasks that wait for any of these epoll events. Called by the reactor."""
        with self._lock:
            if events & READABLE:
                self._readable.notify_all()
            if events & WRITABLE:
                self._writable.notify_all()

    async def _when(self, possible: Condition, attempt: Callable[..., T], *arguments: Any) -> T:
        with self._lock:
            while True:
                with suppress(BlockingIOError):  # an `await` in `except` would keep an exception for each waiting task
                    return attempt(*arguments)
                await possible.wait()

    async def accept(self) -> tuple[Socket, Any]:
        """Return the next connection and its peer's address."""
        connection, address = await self._when(self._readable, self.raw.accept)
        try:
            return Socket(connection), address
        except OSError:
            connection.close()
            raise

    async def connect(self, address: Any) -> None:
        """Connect to an address; its host should be numeric, because the lookup of a name blocks."""
        # Calling connect again is allowed: it returns or raises the result of the first attempt.
        await self._when(self._writable, self.raw.connect, address)

    async def recv(self, size: int) -> bytes:
        """Return at least one byte and at most `size`, or none at the end of the stream."""
        return await self._when(self._readable, self.raw.recv, size)

    async def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send some of the data; return the number of bytes sent."""
        return await self._when(self._writable, self.raw.send, data)

    async def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data. If this raises, it is unknown how much was sent."""
        with memoryview(data) as rest:
            sent = await self.send(rest)
            while sent < len(rest):
                sent += await self.send(rest[sent:])

    def shutdown(self, how: int) -> None:
        """Shut down one or both sides, as socket.shutdown does, but not while `close` closes the socket."""
        with self._lock:
            self.raw.shutdown(how)

    def close(self) -> None:
        """Close the socket and wake all tasks that wait for it; a second call does nothing."""
        with self._lock:
            if self.raw.fileno() < 0:
                return
            self._reactor.unregister(self.raw.fileno())
            self.raw.close()
            self._readable.notify_all()
            self._writable.notify_all()

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
