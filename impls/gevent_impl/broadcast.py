#!/usr/bin/env python3
"""Broadcast on gevent: two greenlets for every connection, which look like threads and are none.

Order: every reading greenlet appends its whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to every outbox at once: that is the common order.
A slow client: only its own writing greenlet waits for it; while more than LIMIT bytes
stand in its outbox, the client misses new batches, always as whole messages.
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
ACCEPTS = 100  # in a row
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: socket.socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: Event = field(default_factory=Event)  # set: something to send, or leaving
    leaving: bool = False


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


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
    listener = socket.socket(fileno=plain.detach())  # of gevent's kind: who waits for it lets others run
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    accept(listener)


def accept(listener: socket.socket) -> None:
    # Not StreamServer: it does the same, but prints a traceback each time it finds no descriptor left.
    while True:
        try:
            for _ in range(ACCEPTS):
                connection, _ = listener.accept()
                gevent.spawn(serve, connection)
            gevent.sleep(0)  # who always finds more would let nobody else run
        except OSError:
            gevent.sleep(RETRY_S)


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    with connection:
        writer = gevent.spawn(write, client)
        room.add(client)
        rest = b""
        with suppress(OSError):  # a reset ends a connection as well as an end of stream
            while chunk := connection.recv(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    broadcast(data[:end])
                rest = data[end:]
        room.discard(client)
        client.leaving = True
        client.wake.set()
        writer.join()  # sends what is unsent first


def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with suppress(OSError):  # the reading greenlet sees it too, and ends the connection
        while client.outbox or not client.leaving:
            client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                client.connection.sendall(data)
            if not client.leaving:
                client.wake.clear()


def whole_messages(data: bytes) -> int:
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast(batch: bytes) -> None:
    """Put these messages next in the common order."""
    tick.append(batch)
    gevent.sleep(0)  # whoever else is ready to speak does so, and one flush serves all
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
