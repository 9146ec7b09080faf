#!/usr/bin/env python3
"""Broadcast on asyncio streams: one coroutine per connection, all on one event loop.

Order: every coroutine appends its whole messages to `pending`; what is collected there in one turn of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: its transport keeps what could not be sent. While that is more than LIMIT bytes,
the client misses new batches, always as whole messages. No client waits for another.
"""

import asyncio
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_MS = 10_000  # for a client that has closed its sending side to read what is unsent

room: set[asyncio.StreamWriter] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


async def main(address: tuple[str, int]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    # The default handler prints a traceback; running out of descriptors deserves one line.
    loop.set_exception_handler(lambda _, what: print(f"{what['message']}: {what.get('exception')}", file=sys.stderr))
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
    await stopped.wait()
    server.close()
    while room:  # until every task has ended: asyncio reports those that it must cancel
        for writer in room:
            writer.transport.abort()  # close() would wait for clients that do not read
        await asyncio.sleep(0)


async def accept(listener: socket.socket) -> asyncio.Server:
    # asyncio takes the backlog also as the number of accepts per turn of the loop, and makes (and logs)
    # all of them even after the first has found no descriptor left: hence 1, and listen() below.
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    return server


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    room.add(writer)
    rest = b""
    try:
        with suppress(OSError):  # a reset ends a connection just as an end of stream does
            while chunk := await reader.read(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    await broadcast(data[:end])
                rest = data[end:]
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LINGER_MS)
    finally:
        room.discard(writer)
        writer.close()  # what is unsent is sent first, but not to a client that never reads it


def write(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Send now; the transport keeps what the kernel does not take."""
    writer.write(batch)  # no drain(): it would wait for this one client


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
    await asyncio.sleep(0)  # other ready clients append first, so that one flush serves all
    flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    batch = b""
    while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
        batch += pending.popleft()
    if batch:
        for writer in room:
            offer(writer, batch)


def offer(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if not writer.is_closing() and writer.transport.get_write_buffer_size() <= LIMIT:
        write(writer, batch)


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    asyncio.run(main(parse_address(sys.argv[1:])))
