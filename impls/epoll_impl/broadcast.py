#!/usr/bin/env python3
"""Broadcast on epoll: the loop of the server in C, written in Python; each trick says what it bought.

Order: a turn of the loop reads from every client that has something to say; at its end the
whole messages that gathered in `tick` go to everybody as one batch, with one send each.
Where a message stands in that batch is its place in the common order.
A slow client: what the kernel does not take is kept for it; while that is more than
LIMIT bytes, the client misses new batches, always as whole messages. Nobody waits.
"""

import os
import re
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from itertools import repeat
from select import EPOLLIN, EPOLLOUT

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read, and so many gathered are sent before more is read
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
MESSAGE = 256  # bytes of the longest message, its header included
RUN = 256  # messages looked at in one go where all are equally long,
STRIDE = 2048  # and bytes walked message by message where they are not, until that is tried again
RETRY_S = 0.1  # how long to leave the listener alone when no descriptor is left


@dataclass(eq=False, slots=True)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: socket.socket
    rest: bytes = b""  # the beginning of a message of which more must come
    outbox: bytearray = field(default_factory=bytearray)  # what the kernel did not take
    leaving: bool = False


clients: dict[int, Client] = {}  # by their descriptors
# Tuned: those who have nothing unsent stand apart, so that a broadcast hands all of them to
# `map` and asks nobody; who is behind costs a look at the outbox and no call of the kernel.
keeping_up: dict[Client, socket.socket] = {}
behind: set[Client] = set()
tick: list[bytes] = []  # batches of whole messages in their final order, not yet offered
gathered = 0  # bytes of them
RUNS = [bytes([header]) * RUN for header in range(MESSAGE)]
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
            keeping_up[client] = connection
    except BlockingIOError:
        return  # all who stood at the door are in
    except OSError:  # no descriptor is left: who stands there makes epoll return at once, so it is not asked
        epoll.unregister(listener)
        resting.append(listener)


def serve(client: Client) -> None:
    global gathered
    if client.leaving:  # no input is wanted any more, so this is a reset
        return close(client)
    if gathered > CHUNK:
        broadcast()
    try:
        data = client.connection.recv(CHUNK)
    except BlockingIOError:
        return
    except OSError:
        data = b""  # a reset ends a connection as well as an end of stream
    if not data:
        return leave(client)
    # Tuned: when a client has sent nothing but whole messages, which is the rule, what was read
    # is what is gathered: nothing is cut and nothing copied.
    if client.rest:
        data, client.rest = client.rest + data, b""
    end = whole_messages(data)
    if end < len(data):
        data, client.rest = data[:end], data[end:]
    tick.append(data)
    gathered += end


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
    keeping_up[client] = client.connection
    epoll.modify(client.connection, EPOLLIN)


def whole_messages(data: bytes) -> int:
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    far = size - MESSAGE
    # Tuned: what begins so far from the end is whole, and needs no comparison.
    while end < far:
        # Tuned: a message is often followed by equally long ones. Whether the same header stands
        # in the same distance again and again is one slice and one comparison, and no loop here.
        step = data[end] + 1
        headers = data[end : end + RUN * step : step]
        if RUNS[step - 1].startswith(headers):
            end += (len(headers) - 1) * step
        else:
            stop = min(far, end + STRIDE)
            while end < stop:
                end += data[end] + 1
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast() -> None:
    """Hand over what this turn has gathered: one send a client, however many spoke."""
    global gathered
    batch, size = b"".join(tick), gathered
    tick.clear()
    gathered = 0
    if not size:
        return
    for client in behind:
        offer(client, batch)
    # Tuned: `map` and `extend` go from one client to the next without a line of Python between two
    # sends. When one raises, the list has all before it, and `map` goes on behind it.
    sent: list[int] = []
    sends = map(socket.socket.send, keeping_up.values(), repeat(batch))
    while len(sent) < len(keeping_up):
        try:
            sent.extend(sends)
        except BlockingIOError:
            sent.append(0)
        except OSError:
            sent.append(size)  # as if: reading sees it too, and ends the connection
    if sent.count(size) < len(sent):
        for client, count in zip(tuple(keeping_up), sent, strict=True):
            if count < size:
                keep(client, batch[count:])


def keep(client: Client, unsent: bytes) -> None:
    """Have epoll tell when there is room again for what the kernel did not take."""
    client.outbox += unsent
    del keeping_up[client]
    behind.add(client)
    epoll.modify(client.connection, EPOLLIN | EPOLLOUT)


def offer(client: Client, batch: bytes) -> None:
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
