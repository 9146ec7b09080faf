#!/usr/bin/env python3
"""Broadcast on Tornado: one coroutine per connection reads, and callbacks of its stream write.

Order: every coroutine appends its whole messages to `pending`; what is collected there in one turn of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: its stream gets the outbox when everything before it is sent. While the outbox holds
more than LIMIT bytes, the client misses new batches, always as whole messages.
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
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: IOStream
    outbox: bytearray = field(default_factory=bytearray)


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


async def main(address: tuple[str, int]) -> None:
    # Nothing needs saving, and an orderly exit would have to wait for every coroutine.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    listener.setblocking(False)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    watch(listener)
    await asyncio.Event().wait()


def watch(listener: socket.socket) -> None:
    # Not TCPServer: when no descriptor is left it fails and is called again at once, for ever.
    IOLoop.current().add_handler(listener, accept, IOLoop.READ)


def accept(listener: socket.socket, events: int) -> None:
    try:
        for _ in range(BACKLOG):
            connection, _ = listener.accept()
            IOLoop.current().spawn_callback(serve, IOStream(connection))
    except BlockingIOError:
        return  # all waiting connections are accepted
    except OSError:  # no descriptor is left: the listener would stay ready, and the loop would spin
        IOLoop.current().remove_handler(listener)
        IOLoop.current().call_later(RETRY_S, watch, listener)


async def serve(stream: IOStream) -> None:
    client = Client(stream)
    room.add(client)
    rest = b""
    with suppress(StreamClosedError):  # raised for a reset just as for an end of stream
        while True:
            data = rest + await stream.read_bytes(CHUNK, partial=True)
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]
    room.discard(client)


def write(client: Client) -> None:
    """Hand the outbox to the stream, which has sent everything before it."""
    if client.outbox and not client.stream.closed():
        data = bytes(client.outbox)
        client.outbox.clear()
        sent = client.stream.write(data)
        if client.stream.writing():
            sent.add_done_callback(lambda _: write(client))


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
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
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
