"""Chat through pipes, for scripts: sends the lines of standard input, prints a line for each received message."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

import anyio
from anyio import from_thread
from anyio.abc import SocketStream
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectSendStream

from harness.addresses import Address
from harness.chat.connection import RECEIVE_BYTES, connect, receive_lines
from harness.chat.session import Backoff, ChatSession
from harness.errors import HarnessError
from harness.escapes import visible
from harness.model import Spec

CONNECT_TIMEOUT_S = 5.0  # a script may have started the server a moment ago
MAX_LINE_BYTES = 1 << 20
LINE_REFUSED = 2  # the exit status when a line could not be sent


async def chat_through_pipes(spec: Spec, address: Address, name: str, linger_s: float) -> int:
    """Send the lines of standard input and print what is received; return an exit status.

    Returns when the input has ended and then nothing was received for `linger_s` seconds. Lines that cannot be sent
    are reported on standard error and skipped; the status is then 2.

    Args:
        spec: the protocol.
        address: the address of the server.
        name: the name of the user, for protocols with names.
        linger_s: how long to wait for more after the end of the input, in seconds.

    Raises:
        HarnessError: the server cannot be reached, or the connection was lost.
    """
    printer = LinePrinter()
    session = ChatSession(spec, name)
    greeting = session.start()
    async with await _connect(address) as stream, anyio.create_task_group() as tasks:

        async def receive() -> None:
            raise HarnessError(await receive_lines(stream, session, printer.print))

        tasks.start_soon(receive)
        await _send(stream, greeting)
        refused = False
        line_count = 0
        sender, receiver = anyio.create_memory_object_stream[list[bytes]](0)
        threading.Thread(target=_read_lines, args=(sender, current_token()), daemon=True).start()
        async with receiver:
            async for lines in receiver:
                refused |= not await _send_lines(stream, session, lines, line_count)
                line_count += len(lines)
        await printer.wait_for_silence(linger_s)
        tasks.cancel_scope.cancel()
    return LINE_REFUSED if refused else 0


class LinePrinter:
    """Prints lines, and remembers when it last did."""

    def __init__(self) -> None:
        self._latest = 0.0

    async def print(self, lines: Sequence[str]) -> None:
        """Print lines, and flush standard output."""
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())
        sys.stdout.buffer.flush()
        self._latest = time.monotonic()

    async def wait_for_silence(self, seconds: float) -> None:
        """Return when nothing has been printed for so long, counted from this call or from the last line since."""
        start = time.monotonic()
        while (remaining_s := max(start, self._latest) + seconds - time.monotonic()) > 0:
            await anyio.sleep(remaining_s)


async def _connect(address: Address) -> SocketStream:
    backoff, deadline = Backoff(), time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            return await connect(address)
        except OSError as error:
            if time.monotonic() > deadline:
                raise HarnessError(str(error)) from None
            await anyio.sleep(backoff.pause_after(0))


async def _send_lines(stream: SocketStream, session: ChatSession, lines: Sequence[bytes], before: int) -> bool:
    """Send lines in one write, the first of which has number `before` + 1; return whether all could be encoded."""
    requests = []
    for number, line in enumerate(lines, before + 1):
        try:
            requests.append(session.encode(line.decode("utf-8", "surrogateescape")))
        except ValueError as error:
            print(f"harness: line {number}: {visible(str(error))}", file=sys.stderr, flush=True)
    await _send(stream, b"".join(requests))
    return len(requests) == len(lines)


async def _send(stream: SocketStream, data: bytes) -> None:
    try:
        await stream.send(data)
    except anyio.BrokenResourceError:
        await anyio.sleep_forever()  # the receiving task prints what is left, then reports the lost connection


def _read_lines(give: MemoryObjectSendStream[list[bytes]], token: EventLoopToken) -> None:
    """Pass on the lines of standard input; runs in a thread, because an event loop cannot wait for a regular file.

    Does not use sys.stdin: the thread would still hold its lock while it waits for input at the end of the process.
    """
    rest = b""
    try:
        while data := _read():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:  # would be refused anyway; do not collect it in memory
                lines, rest = [*lines, rest], b""
            if lines:
                from_thread.run(give.send, lines, token=token)
        if rest:
            from_thread.run(give.send, [rest], token=token)
        from_thread.run_sync(give.close, token=token)
    except (anyio.BrokenResourceError, anyio.RunFinishedError, RuntimeError):
        return  # the session ended before the input


def _read() -> bytes:
    try:
        return os.read(0, RECEIVE_BYTES)
    except OSError:  # standard input is closed
        return b""
