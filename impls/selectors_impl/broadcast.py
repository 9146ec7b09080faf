#!/usr/bin/env python3
"""Broadcast on a selector: one loop asks the kernel which sockets are ready, and runs their callbacks.

Order: a callback puts its client's whole messages into the outboxes of all clients before another one is called.
A slow client: its outbox is sent whenever its connection is writable. While it holds more than LIMIT bytes,
the client misses new messages, always as whole messages. So does every client in a turn of the loop that reads
more than that. No client waits for another.
"""

import re
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    rest: bytes = b""  # the beginning of an unfinished message
    outbox: bytearray = field(default_factory=bytearray)
    leaving: bool = False
    events: int = 0  # that the selector watches its connection for


room: set[Client] = set()
selector = selectors.DefaultSelector()  # the data of each socket is its callback
resting: list[socket.socket] = []  # listeners that are not watched until the next turn
lingering: dict[Client, float] = {}  # have left, with something unsent; their deadlines, in order


def serve(client: Client, events: int) -> None:
    """Read or write, whatever the connection is ready for."""
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
        chunk = b""  # a reset ends a connection just as an end of stream does
    data = client.rest + chunk
    end = whole_messages(data)
    if end:
        broadcast(data[:end])
    client.rest = data[end:]
    if not chunk:
        leave(client)


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when the connection is writable again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        pass
    except OSError:
        client.outbox.clear()  # the next read sees the error too, and ends the connection
    watch(client)


def leave(client: Client) -> None:
    """Send what is unsent, and then close the connection."""
    room.discard(client)
    client.leaving = True
    lingering[client] = monotonic() + LINGER_S  # it may never read
    watch(client)


def watch(client: Client) -> None:
    """Watch the events that this connection waits for; close it when there are none."""
    events = (0 if client.leaving else EVENT_READ) | (EVENT_WRITE if client.outbox else 0)
    if not events:
        lingering.pop(client, None)
        selector.unregister(client.connection)
        client.connection.close()
    elif not client.events:
        selector.register(client.connection, events, partial(serve, client))
    elif events != client.events:
        selector.modify(client.connection, events, partial(serve, client))
    client.events = events


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
    for client in room:
        offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        watch(client)


def accept(listener: socket.socket, events: int) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            watch(client)
            room.add(client)
    except BlockingIOError:
        return  # all waiting connections are accepted
    except OSError:  # no descriptor is left: the listener would stay ready, and the loop would spin
        selector.unregister(listener)
        resting.append(listener)


def give_up() -> float | None:
    """Disconnect the clients whose time is up; return how many seconds the next one has left."""
    while lingering:
        client, deadline = next(iter(lingering.items()))
        wait = deadline - monotonic()
        if wait > 0:
            return wait
        client.outbox.clear()
        watch(client)  # it closes the connection
    return None


def turn() -> None:
    """Run the callbacks of all ready sockets."""
    wait = give_up()
    ready = selector.select(RETRY_S if resting else wait)
    while resting:
        listener = resting.pop()
        selector.register(listener, EVENT_READ, partial(accept, listener))
    for key, events in ready:
        key.data(events)


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
    listener.setblocking(False)
    selector.register(listener, EVENT_READ, partial(accept, listener))
    while True:
        turn()


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
