#!/usr/bin/env python3
"""Broadcast on Tornado: one coroutine per connection reads, and callbacks of its stream write.

Order: every coroutine appends its whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to every outbox at once: that is the common order.
A slow client: its stream is given what gathers in its outbox when all before is sent; while
more than LIMIT bytes stand there, the client misses new batches, always as whole messages.
"""

import asyncio
import os
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    stream: IOStream
    outbox: bytearray = field(default_factory=bytearray)


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


async def main(address: tuple[str, int]) -> None:
    # Nothing needs saving, and an orderly exit would first have to meet all the coroutines.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    listener.setblocking(False)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    watch(listener)
    await asyncio.Event().wait()


def watch(listener: socket.socket) -> None:
    # Not TCPServer: when no descriptor is left it fails, and is called again at once, for ever.
    IOLoop.current().add_handler(listener, accept, IOLoop.READ)


def accept(listener: socket.socket, events: int) -> None:
    try:
        for _ in range(BACKLOG):
            connection, _ = listener.accept()
            IOLoop.current().spawn_callback(serve, IOStream(connection))
    except BlockingIOError:
        return  # all who stood at the door are in
    except OSError:  # no descriptor is left: who stands there makes the loop call at once, so it is not asked
        IOLoop.current().remove_handler(listener)
        IOLoop.current().call_later(RETRY_S, watch, listener)


async def serve(stream: IOStream) -> None:
    client = Client(stream)
    room.add(client)
    rest = b""
    with suppress(StreamClosedError):  # by an end of stream as well as by a reset
        while True:
            data = rest + await stream.read_bytes(CHUNK, partial=True)
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]
    room.discard(client)


def write(client: Client) -> None:
    """Give the stream, which has sent all it had, what has gathered in the meantime."""
    if client.outbox and not client.stream.closed():
        data = bytes(client.outbox)
        client.outbox.clear()
        sent = client.stream.write(data)
        if client.stream.writing():
            sent.add_done_callback(lambda _: write(client))


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
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        if not client.stream.writing():
            write(client)


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    asyncio.run(main(parse_address(sys.argv[1:])))
