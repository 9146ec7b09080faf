#!/usr/bin/env python3
"""Broadcast on Tornado, with its TCPServer, its streams and its Queue: two coroutines for every connection.

Order: the running coroutine puts its message into the queues of all clients before any other coroutine runs.
A slow client: only its own writing coroutine waits for it. While more than LIMIT bytes for it are unsent,
or its queue is full, it misses new messages.
"""

import asyncio
import errno
import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.queues import Queue
from tornado.tcpserver import TCPServer

BACKLOG = 1024
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
QUEUE = 8192  # messages: even the shortest takes up memory in a queue
RETRY_S = 0.1  # wait before the next try when no descriptor is left


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: IOStream
    outbox: Queue[bytes] = field(default_factory=lambda: Queue(QUEUE))
    unsent: int = 0  # bytes that the kernel has not taken yet, in the queue or on their way from it


room: set[Client] = set()


class Server(TCPServer):
    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        await serve(stream)


async def serve(stream: IOStream) -> None:
    client = Client(stream)
    writing = asyncio.create_task(write(client))
    room.add(client)
    try:
        stream.set_nodelay(True)
        await read(client)
    finally:
        room.discard(client)
        writing.cancel()
        stream.close()


async def read(client: Client) -> None:
    """Broadcast the client's messages, until its stream ends: Tornado closes it then, with what is unsent."""
    with suppress(OSError):  # a StreamClosedError, for a reset just as for an end of stream
        while True:
            header = await client.stream.read_bytes(1)
            body = await client.stream.read_bytes(header[0])
            broadcast(header + body)
            # A read that need not wait lets no other coroutine run: without this, one client that sends a lot
            # would stop all others.
            await asyncio.sleep(0)


async def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    with suppress(OSError):  # the reading coroutine gets it too, and leaves
        while True:
            batch = [await client.outbox.get()]
            while not client.outbox.empty():
                batch.append(client.outbox.get_nowait())
            data = b"".join(batch)
            await client.stream.write(data)
            client.unsent -= len(data)


def broadcast(message: bytes) -> None:
    for client in room:
        offer(client, message)


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if client.unsent <= LIMIT and not client.outbox.full():
        client.outbox.put_nowait(message)
        client.unsent += len(message)


def accept(listener: socket.socket) -> None:
    server = Server()
    server.add_socket(listener)

    # The departure from the documentation: when no descriptor is left, or no memory for one, TCPServer lets the error
    # of `accept` go to the loop, which calls it again at once, for ever. So the listener rests for a while.
    def rest(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            IOLoop.current().remove_handler(listener)
            IOLoop.current().call_later(RETRY_S, server.add_socket, listener)
        else:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(rest)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setblocking(False)
    accept(listener)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    asyncio.run(main(parse_address(sys.argv[1:])))
