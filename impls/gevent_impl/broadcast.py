#!/usr/bin/env python3
"""Broadcast on gevent, with its StreamServer and its Queue: code that reads like that of threads_plain.

Order: the running greenlet puts its message into the queues of all clients before any other greenlet runs.
A slow client: only its own writing greenlet waits for it. While more than LIMIT bytes for it are unsent,
or its queue is full, it misses new messages.
"""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import gevent
from gevent import socket
from gevent.queue import Queue
from gevent.server import StreamServer

BACKLOG = 1024
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
QUEUE = 8192  # messages: even the shortest takes up memory in a queue
END = b""  # what the writing greenlet gets after the last message; every message has a header
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    outbox: Queue = field(default_factory=lambda: Queue(QUEUE))
    unsent: int = 0  # bytes that the kernel has not taken yet, in the queue or on their way from it


room: set[Client] = set()


def serve(connection: socket.socket, address: object) -> None:
    """Serve one connection, in a greenlet of its own; StreamServer closes it when this returns."""
    client = Client(connection)
    writer = gevent.spawn(write, client)
    room.add(client)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read(client)
    finally:
        room.discard(client)
        with gevent.Timeout(LINGER_S, False):  # False: it ends this block, without an error
            client.outbox.put(END)
            writer.join()  # what is unsent is sent first
        writer.kill()


def read(client: Client) -> None:
    """Broadcast the client's messages, until its stream ends."""
    with suppress(OSError), client.connection.makefile("rb") as stream:  # a reset ends a stream, too
        for message in messages(stream):
            broadcast(message)
            # A read that need not wait lets no other greenlet run: without this, one client that sends a lot
            # would stop all others.
            gevent.sleep(0)


def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    batch: list[bytes] = []
    while END not in batch:
        batch = [client.outbox.get()]
        while not client.outbox.empty():
            batch.append(client.outbox.get())
        data = b"".join(batch)
        with suppress(OSError):  # the reading greenlet sees the error too, and ends the connection
            client.connection.sendall(data)
        client.unsent -= len(data)


def messages(stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole messages, each with its header."""
    while header := stream.read(1):
        body = stream.read(header[0])
        if len(body) < header[0]:
            return  # the client has left in the middle of a message
        yield header + body


def broadcast(message: bytes) -> None:
    for client in room:
        offer(client, message)


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if client.unsent <= LIMIT and not client.outbox.full():
        client.outbox.put_nowait(message)
        client.unsent += len(message)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    # Nothing is printed when no descriptor is left: if nothing reads standard error, the write would block all clients.
    gevent.get_hub().NOT_ERROR += (OSError,)
    server = StreamServer(address, serve, backlog=BACKLOG)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    try:
        server.start()
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    print(f"listening on {shown}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
