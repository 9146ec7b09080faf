#!/usr/bin/env python3
"""Broadcast on epoll: the loop of the server in C, written in Python; each trick says what it bought.

Order: a turn of the loop reads from every client that has something to say, straight into
one buffer, `tick`; at its end the whole messages gathered there go to everybody with one
send each. Where a message stands in that buffer is its place in the common order.
A slow client: what the kernel does not take is kept for it; while that is more than
LIMIT bytes, the client misses new batches, always as whole messages. Nobody waits.
"""

import os
import re
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from select import EPOLLIN, EPOLLOUT

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
MESSAGE = 256  # bytes of the longest message, its header included
TICK = 2 * CHUNK + MESSAGE  # bytes that a turn gathers at most before they are sent
RUN = 128  # messages compared at once where several are equally long
RETRY_S = 0.1  # how long to leave the listener alone when no descriptor is left


@dataclass(eq=False, slots=True)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: socket.socket
    rest: bytes = b""  # the beginning of a message of which more must come
    outbox: bytearray = field(default_factory=bytearray)  # what the kernel did not take
    leaving: bool = False


clients: dict[int, Client] = {}  # by their descriptors
# Tuned: those who have nothing unsent stand here with their methods, so that the loop over them
# looks nothing up; those who are behind stand apart, so that it asks nobody.
keeping_up: dict[Client, Callable[[memoryview], int]] = {}
behind: set[Client] = set()
# Tuned: one buffer for what is read and sent, as in C. New bytes for each read, and copies of
# them for each client, cost more than all the rest of the Python in here.
buffer = bytearray(TICK)
tick = memoryview(buffer)
gathered = 0  # bytes of whole messages at the beginning of it
epoll = select.epoll()
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
    epoll.register(listener, EPOLLIN)
    while True:
        turn(listener)


def turn(listener: socket.socket) -> None:
    """Serve all who are ready, and then let everybody hear what was said."""
    ready = epoll.poll(RETRY_S if resting else None)
    while resting:
        epoll.register(resting.pop(), EPOLLIN)
    serve_all(ready, listener)
    # Tuned: who has become ready meanwhile speaks in this turn too. Without it half of them may
    # speak while the others are heard, and take turns for ever: each send then carries half as much.
    serve_all(epoll.poll(0), listener)
    broadcast()


def serve_all(ready: list[tuple[int, int]], listener: socket.socket) -> None:
    for descriptor, events in ready:
        client = clients.get(descriptor)
        if client is None:
            accept(listener)
            continue
        if events & EPOLLOUT:
            write(client)
        if events & ~EPOLLOUT:
            serve(client)


def accept(listener: socket.socket) -> None:
    try:
        for _ in range(BACKLOG):
            connection, _ = listener.accept()
            connection.setblocking(False)
            epoll.register(connection, EPOLLIN)
            client = Client(connection)
            clients[connection.fileno()] = client
            keeping_up[client] = connection.send
    except BlockingIOError:
        return  # all who stood at the door are in
    except OSError:  # no descriptor is left: who stands there makes epoll return at once, so it is not asked
        epoll.unregister(listener)
        resting.append(listener)


def serve(client: Client) -> None:
    global gathered
    if client.leaving:  # no input is wanted any more, so this is a reset
        return close(client)
    if gathered + MESSAGE + CHUNK > TICK:
        broadcast()
    start = gathered + len(client.rest)
    tick[gathered:start] = client.rest
    try:
        got = client.connection.recv_into(tick[start:], CHUNK)
    except BlockingIOError:
        return
    except OSError:
        got = 0  # a reset ends a connection as well as an end of stream
    if not got:
        return leave(client)
    size = start + got
    gathered = whole_messages(buffer, gathered, size)  # the messages are where they belong already
    client.rest = bytes(tick[gathered:size])


def leave(client: Client) -> None:
    broadcast()  # who hangs up right after speaking still hears it
    client.leaving = True
    keeping_up.pop(client, None)
    behind.discard(client)
    if client.outbox:
        epoll.modify(client.connection, EPOLLOUT)
    else:
        close(client)


def close(client: Client) -> None:
    clients.pop(client.connection.fileno(), None)
    client.connection.close()


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when it has room again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        return
    except OSError:
        client.outbox.clear()  # reading sees it too, and ends the connection
    if client.outbox:
        return
    if client.leaving:
        return close(client)
    behind.discard(client)
    keeping_up[client] = client.connection.send
    epoll.modify(client.connection, EPOLLIN)


def whole_messages(data: bytearray, end: int, size: int) -> int:
    """The end of the longest part of `data[end:size]` that consists of whole messages."""
    step = 0
    while end < size:
        before, step = step, data[end] + 1
        following = end + step
        if step == before:
            # Tuned: one equally long message is often followed by more, and how many have the same
            # header in the same distance is found without a loop in Python.
            headers = data[end : min(size, end + RUN * step) : step]
            following += step * (len(headers) - len(headers.lstrip(headers[:1])) - 1)
        if following > size:
            return following - step
        end = following
    return end


def broadcast() -> None:
    """Hand over what this turn has gathered: one send a client, however many spoke."""
    global gathered
    size, gathered = gathered, 0
    if not size:
        return
    batch = tick[:size]
    for client in behind:
        offer(client, batch)
    for client, send in tuple(keeping_up.items()):
        try:
            sent = send(batch)
        except BlockingIOError:
            sent = 0
        except OSError:
            continue  # reading sees it too, and ends the connection
        if sent < size:
            keep(client, batch[sent:])


def keep(client: Client, unsent: memoryview) -> None:
    """Have epoll tell when there is room again for what the kernel did not take."""
    client.outbox += unsent
    del keeping_up[client]
    behind.add(client)
    epoll.modify(client.connection, EPOLLIN | EPOLLOUT)


def offer(client: Client, batch: memoryview) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
