#!/usr/bin/env python3
"""Broadcast on asyncio streams: one task per connection; each optimisation is marked "Tuned".

Order: every task appends its whole messages to `pending`; what is collected there in two turns of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: its transport keeps what could not be sent. While that is more than LIMIT bytes,
the client misses new batches, always as whole messages. No client waits for another.
"""

import asyncio
import errno
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent

room: set[asyncio.StreamWriter] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    room.add(writer)
    rest = b""
    try:
        with suppress(OSError):  # a reset ends a connection just as an end of stream does
            # Not readexactly, which takes one message at a time: those that a read has brought stay together.
            while chunk := await reader.read(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    await broadcast(data[:end])
                rest = data[end:]
            flush()  # a client that disconnects right after sending still receives its own messages
    finally:
        room.discard(writer)
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Send what is unsent and then close, but do not wait for ever: the client may never read."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), LINGER_S)
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        pass  # it was reset


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Append these messages to the common order."""
    pending.append(batch)
    is_first = len(pending) == 1
    await asyncio.sleep(0)  # else a client that is always ready would keep the others from running
    # Tuned: one flush, and one write to each client, serves all that have sent within two turns of the loop.
    # In the next turn, clients that are found ready then run after the tasks scheduled before; a turn later
    # they are included. Only the first task flushes: otherwise there would be a flush in each turn.
    if is_first:
        await asyncio.sleep(0)
        flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    while pending:
        batch = b""
        while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
            batch += pending.popleft()
        for writer in room:
            offer(writer, batch)


def offer(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    # Tuned: no queue, and no second task that waits in drain(). The transport's own buffer is the outbox,
    # and a client that keeps up costs one call of the kernel, without waking a task.
    if not writer.is_closing() and writer.transport.get_write_buffer_size() <= LIMIT:
        writer.write(batch)


async def accept(listener: socket.socket) -> asyncio.Server:
    # asyncio takes the backlog also as the number of accepts per turn of the loop, and makes (and logs)
    # all of them even after the first has found no descriptor left: hence 1, and listen() below.
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    return server


def report(loop: asyncio.AbstractEventLoop, what: dict[str, object]) -> None:
    """Say nothing when no descriptor is left: if nothing reads standard error, the write would block all clients."""
    lacking = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # asyncio rests for a second, and tries again
    if getattr(what.get("exception"), "errno", None) not in lacking:
        loop.default_exception_handler(what)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


async def main(address: tuple[str, int]) -> None:
    asyncio.get_running_loop().set_exception_handler(report)
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Accepted connections inherit it. asyncio sets it only if a socket's protocol number is IPPROTO_TCP; here it is 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await accept(listener)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    asyncio.run(main(parse_address(sys.argv[1:])))
