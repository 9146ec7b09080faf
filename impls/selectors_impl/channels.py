#!/usr/bin/env python3
"""Channels on a selector: one loop asks the kernel which sockets are ready, and runs their callbacks.

Order: one callback puts a message into the outboxes of all subscribers before another is called;
they are sent when the connections are writable. Replies go the same way.
A slow client: its outbox is sent when the connection is writable again. While it holds more than LIMIT
bytes, the client misses new messages; while replies make it twice as many, its requests wait.
"""

import json
import re
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic
from typing import Any, NoReturn

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has left, or whose requests wait, to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    channels: set[str] = field(default_factory=set)
    rest: bytes = b""  # the beginning of an unfinished line
    outbox: bytearray = field(default_factory=bytearray)
    leaving: bool = False
    events: int = 0  # that the selector watches its connection for


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
selector = selectors.DefaultSelector()  # the data of each socket is its callback
resting: list[socket.socket] = []  # listeners that are not watched until the next turn
lingering: dict[Client, float] = {}  # have left, or are not read; their deadlines, in order
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def serve(client: Client, events: int) -> None:
    """Read or write, whatever the connection is ready for."""
    if events & EVENT_WRITE:
        write(client)
    if events & EVENT_READ:
        read(client)


def read(client: Client) -> None:
    try:
        chunk = client.connection.recv(READ)
    except BlockingIOError:
        return
    except OSError:
        chunk = b""  # a reset ends a connection just as an end of stream does
    *lines, rest = (client.rest + chunk).split(b"\n")
    for line in lines:
        handle(client, line)
    client.rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
    if not chunk:
        leave(client)
    watch(client)


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when the connection is writable again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        pass
    except OSError:
        client.outbox.clear()  # the next read sees the error too, and ends the connection
    watch(client)


def watch(client: Client) -> None:
    """Watch the events that this connection waits for; close it when there are none."""
    # No more requests are read while too many replies to the client are unsent.
    reads = not client.leaving and len(client.outbox) <= 2 * LIMIT
    events = (EVENT_READ if reads else 0) | (EVENT_WRITE if client.outbox else 0)
    if not events:
        lingering.pop(client, None)
        selector.unregister(client.connection)
        client.connection.close()
    elif not client.events:
        selector.register(client.connection, events, partial(serve, client))
    elif events != client.events:
        selector.modify(client.connection, events, partial(serve, client))
        if reads:
            lingering.pop(client, None)
        elif client.events & EVENT_READ:  # one that is no longer read may have left, and may never read
            lingering[client] = monotonic() + LINGER_S
    client.events = events


def handle(client: Client, line: bytes) -> None:
    """Carry out the request in a line, or reply why not."""
    try:
        obey(client, decode(line))
    except ValueError as error:
        send(client, encode({"Error": str(error)}))


def obey(client: Client, request: Any) -> None:
    match request:
        case {"Subscribe": str(channel)} if len(request) == 1:
            send(client, encode({"Subscribed": channel}))
            client.channels.add(channel)
            channels.setdefault(channel, set()).add(client)
        case {"Send": {"channel": str(channel), "message": str(message)}} if len(request) == 1:
            delivery = encode({"Message": {"channel": channel, "message": message}})
            if channel not in channels:
                raise ValueError(f"no such channel: {channel}")
            for subscriber in channels[channel]:
                offer(subscriber, delivery)
        case _:
            raise ValueError("no such request")


def leave(client: Client) -> None:
    """Forget the client, and the channels that have no other subscriber."""
    for channel in client.channels:
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]
    client.leaving = True


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    client.outbox += reply
    watch(client)  # it is sent when the connection is writable


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each level of nesting takes up stack, so lines that are nested deeper than any request do not reach json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode(), parse_constant=refuse)


def refuse(constant: str) -> NoReturn:
    """Python takes NaN and Infinity, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


def accept(listener: socket.socket, events: int) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            watch(client)
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
        if not client.leaving:  # its requests wait
            leave(client)
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
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
