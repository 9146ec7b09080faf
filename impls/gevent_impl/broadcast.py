#!/usr/bin/env python3
"""Broadcast on gevent: two greenlets for every connection, with code that reads like that of threads.

Order: every reading greenlet appends its whole messages to `pending`; what is collected there in one turn of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: only its own writing greenlet waits for it. While its outbox holds more than LIMIT bytes,
the client misses new batches, always as whole messages.
"""

import os
import re
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
from gevent import socket
from gevent.event import Event

BACKLOG = 1024
ACCEPTS = 100  # in a row, before the others run
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: Event = field(default_factory=Event)  # set when there is something to send, or when leaving
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


def main(address: tuple[str, int]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, os._exit, 0)  # nothing needs saving
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        plain = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener = socket.socket(fileno=plain.detach())  # gevent's own kind: waiting for it lets other greenlets run
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    accept(listener)


def accept(listener: socket.socket) -> None:
    # Not StreamServer: it does the same, but prints a traceback each time no descriptor is left.
    while True:
        try:
            for _ in range(ACCEPTS):
                connection, _ = listener.accept()
                gevent.spawn(serve, connection)
            gevent.sleep(0)  # else a socket that is always ready would keep the others from running
        except OSError:
            gevent.sleep(RETRY_S)


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    with connection:
        writer = gevent.spawn(write, client)
        room.add(client)
        rest = b""
        with suppress(OSError):  # a reset ends a connection just as an end of stream does
            while chunk := connection.recv(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    broadcast(data[:end])
                rest = data[end:]
        room.discard(client)
        client.leaving = True
        client.wake.set()
        writer.join(LINGER_S)  # what is unsent is sent first


def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    with suppress(OSError):  # the reading greenlet sees the error too, and ends the connection
        while client.outbox or not client.leaving:
            client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                client.connection.sendall(data)
            if not client.leaving:
                client.wake.clear()


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast(batch: bytes) -> None:
    """Append these messages to the common order."""
    pending.append(batch)
    gevent.sleep(0)  # other ready clients append first, so that one flush serves all
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
        client.wake.set()


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
