"""A connected socket on asyncio's event loop, for many chunks: the loop calls a function with each of them.

The clients of a check receive a hundred thousand chunks. A task that waits for each of them would cost more processor
time than everything that is done with the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import anyio

from harness.processes.proc import read_existing

CHUNK = 65536  # bytes of one read
TIME_WAIT = "06"  # in /proc/net/tcp: an earlier connection between the same ports
RESET_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a RST


class ConnectionLost(Exception):
    """The peer has reset the connection, or this side has closed it."""


class Connection:
    """A connected, non-blocking socket.

    Attributes:
        socket: the socket itself, for what few cases do with it.
    """

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._loop = asyncio.get_running_loop()
        self._is_reading = False
        self._lost = False
        self._unsent = memoryview(b"")  # what the kernel did not take yet; it is sent even if the sender is cancelled
        self._ends = False  # whether FIN follows
        self._all_sent = asyncio.Event()
        self._all_sent.set()

    # --- receiving

    def start_reading(self, take: Callable[[bytes | None], None]) -> None:
        """Call a function with each chunk from now on; with b"" at the end of the stream, with None after a RST."""
        if self._lost:
            take(None)
            return

        def read() -> None:
            try:
                data = self.socket.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                take(None)
            else:
                take(data)

        self._is_reading = True
        self._loop.add_reader(self.socket.fileno(), read)

    def stop_reading(self) -> None:
        """Leave in the kernel what arrives from now on."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self.socket.fileno())

    async def receive(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit` of them; b"" at the end of the stream.

        Raises:
            ConnectionLost: by a RST, or this side has closed it.
        """
        try:
            while True:
                await anyio.wait_readable(self.socket)
                with contextlib.suppress(BlockingIOError):
                    return self.socket.recv(limit)
        except (OSError, ValueError, anyio.ClosedResourceError):  # a closed socket has no valid descriptor
            raise ConnectionLost from None

    # --- what is on its way

    def undelivered_bytes(self) -> int:
        """Return how many bytes the peer has written that its kernel has not delivered yet; 0 if that is not known.

        After a client has not read for T seconds, its kernel may have dropped a segment for which it had no memory; the
        peer's kernel then sends it again up to T seconds after the client has begun to read (RFC 6298, section 5.5).
        """
        _, theirs = self._queues()
        return theirs[0] if theirs else 0

    def unread_bytes(self) -> int | None:
        """Return how many of the bytes that our kernel has accepted the peer has not read yet; None if unknown.

        Bytes that the peer's kernel has received and not acknowledged yet count twice.
        """
        ours, theirs = self._queues()
        return ours[0] + theirs[1] if ours and theirs else None

    def _queues(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return for both ends, this one first, the bytes sent and not acknowledged, and the bytes not read yet."""
        found: dict[str, tuple[int, int]] = {}
        try:
            here, there = (f":{name()[1]:04X}" for name in (self.socket.getsockname, self.socket.getpeername))
        except OSError:  # it is closed
            return None, None
        for text in read_existing(("/proc/net/tcp", "/proc/net/tcp6")):  # see proc(5), and proc_net_tcp.txt of Linux
            for line in text.splitlines():  # there may be tens of thousands
                if here in line and there in line:
                    _, local, remote, state, queues, *_ = line.split()
                    if {local[-5:], remote[-5:]} == {here, there} and state != TIME_WAIT:
                        sent, _, received = queues.partition(":")
                        found[local[-5:]] = int(sent, 16), int(received, 16)
        return found.get(here), found.get(there)

    # --- sending

    async def send(self, data: bytes) -> None:
        """Send bytes, after other tasks have had their turn; return when the kernel has taken all of them.

        Raises:
            ConnectionLost: by a RST, or this side has closed it.
        """
        await asyncio.sleep(0)
        while self._unsent:  # another task that waited as well may have been first
            await self._all_sent.wait()
        if not self._lost:
            self._unsent = memoryview(data)
            self._send()
        if self._unsent:
            self._all_sent.clear()
            self._loop.add_writer(self.socket.fileno(), self._go_on_sending)
            await self._all_sent.wait()
        if self._lost:
            raise ConnectionLost

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._lost, self._unsent = True, memoryview(b"")

    def _go_on_sending(self) -> None:
        self._send()
        if not self._unsent:
            self._loop.remove_writer(self.socket.fileno())
            self._all_sent.set()
            if self._ends:
                self.send_eof()

    def send_eof(self) -> None:
        """Send FIN after all that is still to be sent; what arrives can still be read."""
        self._ends = True
        if not self._unsent:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    # --- closing

    def close(self) -> None:
        """Close at once. With unread bytes the kernel sends a RST, as for any program."""
        if self.socket.fileno() < 0:
            return
        self.stop_reading()
        self._loop.remove_writer(self.socket.fileno())
        anyio.notify_closing(self.socket)
        self.socket.close()
        self._lost, self._unsent = True, memoryview(b"")
        self._all_sent.set()

    def reset(self) -> None:
        """Close with a RST."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.close()
