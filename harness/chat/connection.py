"""Connects to a server, and reconnects whenever the connection is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import SocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from harness.addresses import Address
from harness.chat.session import Backoff, ChatSession

RECEIVE_BYTES = 65536
UNSENT_LINES = 100  # kept while the server reads slowly
CONNECT_TIMEOUT_S = 10.0

ShowLines = Callable[[Sequence[str]], Awaitable[None]]


class ReconnectingConnection:
    """Stays connected to a server.

    Args:
        address: the address of the server.
        session: encodes and decodes the messages.
        show: called with received lines.
        notice: called with lines about the state of the connection.
    """

    def __init__(self, address: Address, session: ChatSession, show: ShowLines, notice: ShowLines) -> None:
        self._address, self._session = address, session
        self._show, self._notice = show, notice
        self._outgoing: MemoryObjectSendStream[bytes] | None = None

    async def run(self) -> None:
        """Connect, and reconnect after each failure with growing pauses; never return."""
        backoff, last_notice = Backoff(), ""
        while True:
            start = time.monotonic()
            try:
                stream = await connect(self._address)
            except OSError as error:
                reason, lived_s = str(error), 0.0
            else:
                await self._notice([f"connected to {self._address}{' again' if last_notice else ''}"])
                reason, last_notice = await self._exchange(stream), ""
                lived_s = time.monotonic() - start
            pause_s = backoff.pause_after(lived_s)
            if reason != last_notice:
                await self._notice([f"{reason}; trying again"])
                last_notice = reason
            await anyio.sleep(pause_s)

    def send(self, line: str) -> None:
        """Send a typed line.

        Raises:
            ValueError: the line cannot be sent; the message is a sentence for the user.
        """
        data = self._session.encode(line)
        if self._outgoing is None:
            raise ValueError("not connected: the line was not sent")
        try:
            self._outgoing.send_nowait(data)
        except anyio.WouldBlock:
            raise ValueError("the server does not read: the line was not sent") from None

    async def _exchange(self, stream: SocketStream) -> str:
        outgoing, queue = anyio.create_memory_object_stream[bytes](UNSENT_LINES)
        async with stream, outgoing, queue, anyio.create_task_group() as tasks:
            outgoing.send_nowait(self._session.start())
            self._outgoing = outgoing
            tasks.start_soon(_write, stream, queue)
            try:
                reason = await receive_lines(stream, self._session, self._show)
            finally:
                self._outgoing = None
            tasks.cancel_scope.cancel()
        return reason


async def connect(address: Address) -> SocketStream:
    """Return a new connection.

    Raises:
        OSError: the server cannot be reached; the message is a sentence for the user.
    """
    try:
        with anyio.fail_after(CONNECT_TIMEOUT_S):
            return await anyio.connect_tcp(address.host, address.port)
    except TimeoutError:
        reason = f"no answer in {CONNECT_TIMEOUT_S:.0f} s"
    except OSError as error:
        cause: BaseException = error.__cause__ or error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        number = cause.errno if isinstance(cause, OSError) else None
        reason = (
            os.strerror(number) if number and number > 0 else str(cause)
        )  # an error of name resolution has no errno
    raise OSError(f"{address} cannot be reached: {reason}")


async def receive_lines(stream: SocketStream, session: ChatSession, show: ShowLines) -> str:
    """Show received lines until the connection ends; return how it ended, as a sentence.

    Args:
        stream: the connection.
        session: decodes the bytes.
        show: called with received lines.
    """
    try:
        while True:
            lines = session.decode(await stream.receive(RECEIVE_BYTES))
            if lines:
                await show(lines)
    except anyio.EndOfStream:
        return "the server closed the connection"
    except anyio.BrokenResourceError:
        return "the connection broke"
    except ValueError as error:
        return str(error)


async def _write(stream: SocketStream, queue: MemoryObjectReceiveStream[bytes]) -> None:
    async for data in queue:
        try:
            await stream.send(data)
        except anyio.BrokenResourceError:
            return  # `receive_lines` reports the lost connection
