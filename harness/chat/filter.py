"""A conversation through pipes: lines in, what is heard out, a line each; for scripts."""

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
from harness.chat.conversation import Conversation, Pauses
from harness.chat.link import CHUNK, connect, listen
from harness.errors import HarnessError
from harness.escapes import visible
from harness.model import Spec

PATIENCE_S = 5.0  # to connect: a script may have started the server a moment ago
LONGEST_LINE = 1 << 20
REFUSED = 2  # the exit status when a line could not be sent


async def pipe(spec: Spec, address: Address, name: str, linger_s: float) -> int:
    """Say what comes on standard input, and print what is heard; return an exit status.

    It ends when the input has ended and then nothing has been heard for `linger_s` seconds. A line that cannot be
    said is told on standard error; the others are said all the same, and the status is 2.

    Raises:
        HarnessError: nobody listens at the address, or the connection was lost.
    """
    heard = Heard()
    conversation = Conversation(spec, name)
    greeting = conversation.begin()
    async with await _connect(address) as stream, anyio.create_task_group() as tasks:

        async def hear() -> None:
            raise HarnessError(await listen(stream, conversation, heard.show))

        tasks.start_soon(hear)
        await _send(stream, greeting)
        refused = False
        count = 0
        give, lines = anyio.create_memory_object_stream[list[bytes]](0)
        threading.Thread(target=_read_lines, args=(give, current_token()), daemon=True).start()
        async with lines:
            async for some in lines:
                refused |= not await _say(stream, conversation, some, count)
                count += len(some)
        await heard.silence(linger_s)
        tasks.cancel_scope.cancel()
    return REFUSED if refused else 0


class Heard:
    """Prints what is heard, and knows when that was."""

    def __init__(self) -> None:
        self._latest = 0.0

    async def show(self, lines: Sequence[str]) -> None:
        """Print lines at once."""
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())
        sys.stdout.buffer.flush()
        self._latest = time.monotonic()

    async def silence(self, seconds: float) -> None:
        """Return when nothing has been heard for so long, counted from now or from what is heard later."""
        begun = time.monotonic()
        while (left := max(begun, self._latest) + seconds - time.monotonic()) > 0:
            await anyio.sleep(left)


async def _connect(address: Address) -> SocketStream:
    pauses, deadline = Pauses(), time.monotonic() + PATIENCE_S
    while True:
        try:
            return await connect(address)
        except OSError as error:
            if time.monotonic() > deadline:
                raise HarnessError(str(error)) from None
            await anyio.sleep(pauses.after(0))


async def _say(stream: SocketStream, conversation: Conversation, lines: Sequence[bytes], before: int) -> bool:
    """Send lines in one write; return whether all of them could be said."""
    requests = []
    for number, line in enumerate(lines, before + 1):
        try:
            requests.append(conversation.say(line.decode("utf-8", "surrogateescape")))
        except ValueError as error:
            print(f"harness: line {number}: {visible(str(error))}", file=sys.stderr, flush=True)
    await _send(stream, b"".join(requests))
    return len(requests) == len(lines)


async def _send(stream: SocketStream, data: bytes) -> None:
    try:
        await stream.send(data)
    except anyio.BrokenResourceError:
        await anyio.sleep_forever()  # until who listens has heard all there is, and tells


def _read_lines(give: MemoryObjectSendStream[list[bytes]], token: EventLoopToken) -> None:
    """Hand over the lines of standard input, in a thread: a regular file and a terminal cannot be waited for.

    Not through sys.stdin, whose lock a thread that waits for input would still hold when the process ends.
    """
    rest = b""
    try:
        while data := _read():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST_LINE:  # it would be refused anyway, and must not fill the memory
                lines, rest = [*lines, rest], b""
            if lines:
                from_thread.run(give.send, lines, token=token)
        if rest:
            from_thread.run(give.send, [rest], token=token)
        from_thread.run_sync(give.close, token=token)
    except (anyio.BrokenResourceError, anyio.RunFinishedError, RuntimeError):
        return  # the conversation has ended before the input


def _read() -> bytes:
    try:
        return os.read(0, CHUNK)
    except OSError:  # there is none
        return b""
