#!/usr/bin/env python3
"""Broadcast on asyncio streams: one coroutine per connection, all on one event loop.

Order: every coroutine appends its whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to everybody at once: that is the common order.
A slow client: its transport keeps what could not be sent; while that is more than
LIMIT bytes, the client misses new batches, always as whole messages. Nobody waits.
"""

import asyncio
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new

room: set[asyncio.StreamWriter] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


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
    # Its connections inherit it; asyncio sets it only where the protocol number is spelt out.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await accept(listener)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    await stopped.wait()
    server.close()
    while room:  # until every task has seen its end, for asyncio reports those that it cancels
        for writer in room:
            writer.transport.abort()  # close() would wait for those that do not read
        await asyncio.sleep(0)


async def accept(listener: socket.socket) -> asyncio.Server:
    # asyncio's backlog is also its number of accepts a tick, and it makes all of them (and
    # logs each) even after the first has found no descriptor left: hence 1 and a listen().
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    return server


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    room.add(writer)
    rest = b""
    try:
        with suppress(OSError):  # a reset ends a connection as well as an end of stream
            while chunk := await reader.read(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    await broadcast(data[:end])
                rest = data[end:]
    finally:
        room.discard(writer)
        writer.close()  # sends what is unsent first


def write(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Send now, or leave it to the transport, which keeps what the kernel does not take."""
    writer.write(batch)  # and no drain(), which would wait for this one client


def whole_messages(data: bytes) -> int:
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Put these messages next in the common order."""
    tick.append(batch)
    await asyncio.sleep(0)  # whoever else is ready to speak does so, and one flush serves all
    flush()


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    batch = b""
    while tick and len(batch) < CHUNK:  # a longer one might leave no room for the next
        batch += tick.popleft()
    if batch:
        for writer in room:
            offer(writer, batch)


def offer(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
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
