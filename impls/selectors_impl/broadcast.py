#!/usr/bin/env python3
"""Broadcast on a selector: one loop asks the kernel which sockets are ready, and calls whoever waits for them.

Order: every callback appends its client's whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to everybody at once: that is the common order.
A slow client: its outbox is sent when the kernel has room for it again; while more than
LIMIT bytes stand there, the client misses new batches, always as whole messages. Nobody waits.
"""

import os
import re
import selectors
import signal
import socket
import sys
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: socket.socket
    rest: bytes = b""  # the beginning of a message of which more must come
    outbox: bytearray = field(default_factory=bytearray)
    leaving: bool = False
    events: int = 0  # what the selector is asked about its connection


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered
selector = selectors.DefaultSelector()  # with each socket stands what is called when it is ready
resting: list[socket.socket] = []  # listeners that are not asked about until the next turn


def main(address: tuple[str, int]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))  # nothing needs saving
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    listener.setblocking(False)
    selector.register(listener, EVENT_READ, partial(accept, listener))
    while True:
        turn()


def turn() -> None:
    """Call all whose sockets are ready, and then let everybody hear what was said."""
    ready = selector.select(RETRY_S if resting else None)
    while resting:
        listener = resting.pop()
        selector.register(listener, EVENT_READ, partial(accept, listener))
    for key, events in ready:
        key.data(events)
    flush()


def accept(listener: socket.socket, events: int) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            watch(client)
            room.add(client)
    except BlockingIOError:
        return  # all who stood at the door are in
    except OSError:  # no descriptor is left: who stands there makes the selector return at once, so it is not asked
        selector.unregister(listener)
        resting.append(listener)


def serve(client: Client, events: int) -> None:
    """Read or write: whatever the client's connection is ready for."""
    if events & EVENT_WRITE:
        write(client)
    if events & EVENT_READ:
        read(client)


def read(client: Client) -> None:
    try:
        chunk = client.connection.recv(CHUNK)
    except BlockingIOError:
        return
    except OSError:
        chunk = b""  # a reset ends a connection as well as an end of stream
    data = client.rest + chunk
    end = whole_messages(data)
    if end:
        broadcast(data[:end])
    client.rest = data[end:]
    if not chunk:
        flush()  # who hangs up right after speaking still hears it
        room.discard(client)
        client.leaving = True
        watch(client)


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when it has room again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        pass
    except OSError:
        client.outbox.clear()  # reading sees it too, and ends the connection
    watch(client)


def watch(client: Client) -> None:
    """Ask the selector for what this connection waits for; close it when that is nothing."""
    events = (0 if client.leaving else EVENT_READ) | (EVENT_WRITE if client.outbox else 0)
    if not events:
        selector.unregister(client.connection)
        client.connection.close()
    elif not client.events:
        selector.register(client.connection, events, partial(serve, client))
    elif events != client.events:
        selector.modify(client.connection, events, partial(serve, client))
    client.events = events


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
    """Put these messages next in the common order; they are heard at the end of the turn."""
    tick.append(batch)


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    while tick:
        batch = b""
        while tick and len(batch) < CHUNK:  # a longer one might leave no room for the next
            batch += tick.popleft()
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        if not client.events & EVENT_WRITE:  # else it is sent when there is room
            write(client)


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
