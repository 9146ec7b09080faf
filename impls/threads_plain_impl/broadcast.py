#!/usr/bin/env python3
"""Broadcast on threads, as one writes it first: two threads and a bounded queue for every connection.

Order: a reading thread holds the lock `order` while it puts its message into the queues of all clients,
so that all queues have the messages in the same order.
A slow client: only its own writing thread waits for it. While its queue is full, it misses new messages.
"""

import queue
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

BACKLOG = 1024
QUEUE = 768  # messages that wait for the writing thread,
BATCH = 256  # and messages that it sends at once: together at most 256 KiB, because a message has at most 256 bytes
END = b""  # what the writing thread gets after the last message; every message has a header
RETRY_S = 0.1  # wait before the next try when no descriptor or thread is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
STACK = 256 * 1024  # bytes per thread: 2000 times the default 8 MB may exceed a container's limit


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    outbox: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(QUEUE))


room: set[Client] = set()
order = threading.Lock()  # guards the room, and makes the order


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    writer = threading.Thread(target=write, args=(client,), daemon=True)
    with connection:
        try:
            writer.start()
        except RuntimeError:
            return  # no second thread is available
        with order:
            room.add(client)
        try:
            read(client)
        finally:
            with order:
                room.discard(client)
            linger(client, writer)


def read(client: Client) -> None:
    """Broadcast the client's messages, until its stream ends."""
    with suppress(OSError), client.connection.makefile("rb") as stream:  # a reset ends a stream, too
        for message in messages(stream):
            broadcast(message)


def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    batch: list[bytes] = []
    while END not in batch:
        batch = [client.outbox.get()]
        while len(batch) < BATCH and not client.outbox.empty():
            batch.append(client.outbox.get())
        with suppress(OSError):  # the reading thread sees the error too, and ends the connection
            client.connection.sendall(b"".join(batch))


def linger(client: Client, writer: threading.Thread) -> None:
    """Wait until what is unsent is sent, but not for ever: the client may never read."""
    with suppress(queue.Full):
        client.outbox.put(END, timeout=LINGER_S)
        writer.join(LINGER_S)
    with suppress(OSError):
        client.connection.shutdown(socket.SHUT_RDWR)  # now `sendall` fails, and the queue is emptied
    while writer.is_alive():  # its descriptor stays open: the number may be another client's at once
        with suppress(queue.Full):
            client.outbox.put(END, timeout=1)  # the first may have found no room
        writer.join(1)


def messages(stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole messages, each with its header."""
    while header := stream.read(1):
        body = stream.read(header[0])
        if len(body) < header[0]:
            return  # the client has left in the middle of a message
        yield header + body


def broadcast(message: bytes) -> None:
    with order:
        for client in room:
            offer(client, message)


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    with suppress(queue.Full):
        client.outbox.put_nowait(message)


def accept(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            time.sleep(RETRY_S)
            continue
        try:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        except RuntimeError:
            connection.close()
            time.sleep(RETRY_S)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


def main(address: tuple[str, int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    threading.stack_size(STACK)
    accept(listener)


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
