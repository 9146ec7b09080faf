"""A connection that is made again whenever it is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import SocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from harness.addresses import Address
from harness.chat.conversation import Conversation, Pauses

CHUNK = 65536
UNSENT = 100  # lines that wait for a server that reads slowly
CONNECT_S = 10.0

Show = Callable[[Sequence[str]], Awaitable[None]]


class Link:
    """Stays connected to a server.

    Args:
        show: takes the lines that were heard.
        notice: takes what there is to say about the connection, a line each.
    """

    def __init__(self, address: Address, conversation: Conversation, show: Show, notice: Show) -> None:
        self._address, self._conversation = address, conversation
        self._show, self._notice = show, notice
        self._outgoing: MemoryObjectSendStream[bytes] | None = None

    async def run(self) -> None:
        """Connect, and connect again when that fails or ends, with growing pauses; never return."""
        pauses, told = Pauses(), ""
        while True:
            begun = time.monotonic()
            try:
                stream = await connect(self._address)
            except OSError as error:
                why, lived_s = str(error), 0.0
            else:
                await self._notice([f"connected to {self._address}{' again' if told else ''}"])
                why, told = await self._converse(stream), ""
                lived_s = time.monotonic() - begun
            pause_s = pauses.after(lived_s)
            if why != told:
                await self._notice([f"{why}; trying again"])
                told = why
            await anyio.sleep(pause_s)

    def say(self, line: str) -> None:
        """Send what a line says; raise ValueError with a sentence when that cannot be."""
        data = self._conversation.say(line)
        if self._outgoing is None:
            raise ValueError("not connected: that was not sent")
        try:
            self._outgoing.send_nowait(data)
        except anyio.WouldBlock:
            raise ValueError("the server does not read: that was not sent") from None

    async def _converse(self, stream: SocketStream) -> str:
        outgoing, queue = anyio.create_memory_object_stream[bytes](UNSENT)
        async with stream, outgoing, queue, anyio.create_task_group() as tasks:
            outgoing.send_nowait(self._conversation.begin())
            self._outgoing = outgoing
            tasks.start_soon(_write, stream, queue)
            try:
                why = await listen(stream, self._conversation, self._show)
            finally:
                self._outgoing = None
            tasks.cancel_scope.cancel()
        return why


async def connect(address: Address) -> SocketStream:
    """Return a connection; raise OSError with a sentence when there is none to be had."""
    try:
        with anyio.fail_after(CONNECT_S):
            return await anyio.connect_tcp(address.host, address.port)
    except TimeoutError:
        reason = f"no answer in {CONNECT_S:.0f} s"
    except OSError as error:
        cause: BaseException = error.__cause__ or error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        number = cause.errno if isinstance(cause, OSError) else None
        reason = os.strerror(number) if number and number > 0 else str(cause)  # names have errors of their own
    raise OSError(f"{address} cannot be reached: {reason}")


async def listen(stream: SocketStream, conversation: Conversation, show: Show) -> str:
    """Show what comes until the connection ends; return how it ended, as a sentence."""
    try:
        while True:
            lines = conversation.hear(await stream.receive(CHUNK))
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
            return  # who listens is told
