#!/usr/bin/env python3
"""Broadcast on greenlets: two for every connection, and a scheduler of thirty lines that switches between them.

Order: every reading greenlet appends its whole messages to the one `tick`, and what gathered
there in one turn of the scheduler goes to every outbox at once: that is the common order.
A slow client: only its own writing greenlet waits for it; while more than LIMIT bytes
stand in its outbox, the client misses new batches, always as whole messages.
"""

import os
import re
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from greenlet import getcurrent, greenlet

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left

hub = getcurrent()  # where the scheduler runs, and every greenlet returns to
ready: deque[greenlet] = deque()
readers: dict[int, greenlet] = {}  # by the descriptor that they wait for
writers: dict[int, greenlet] = {}
resting: list[greenlet] = []  # until something happens, and RETRY_S at most
epoll = select.epoll()


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: socket.socket
    outbox: bytearray = field(default_factory=bytearray)
    idle: list[greenlet] = field(default_factory=list)  # the writing greenlet, while there is nothing to write
    leaving: bool = False


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


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
    register(listener)
    spawn(accept, listener)
    while True:
        turn()


def turn() -> None:
    """Find out who need not wait any longer, and let each run until it must wait again."""
    for descriptor, events in epoll.poll(0 if ready else RETRY_S if resting else -1):
        # They go first, so that who is ready to speak does so before what was said is handed over.
        if events & ~select.EPOLLOUT and descriptor in readers:
            ready.appendleft(readers.pop(descriptor))
        if events & ~select.EPOLLIN and descriptor in writers:
            ready.appendleft(writers.pop(descriptor))
    ready.extend(resting)
    resting.clear()
    for _ in range(len(ready)):
        ready.popleft().switch()


def spawn(run: Callable[..., None], *arguments: object) -> None:
    ready.append(greenlet(partial(run, *arguments), parent=hub))


def park(where: Callable[[greenlet], object]) -> None:
    """Go where one will be found again, and let others run until then."""
    where(getcurrent())
    hub.switch()


def register(connection: socket.socket) -> None:
    """Have the kernel tell once each time that it becomes ready: who waits has tried before, and tries again."""
    connection.setblocking(False)
    epoll.register(connection, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)


def recv(connection: socket.socket) -> bytes:
    while True:
        try:
            return connection.recv(CHUNK)
        except BlockingIOError:
            park(partial(readers.__setitem__, connection.fileno()))


def sendall(connection: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[connection.send(data) :]
        except BlockingIOError:
            park(partial(writers.__setitem__, connection.fileno()))


def accept(listener: socket.socket) -> None:
    while True:
        try:
            for _ in range(BACKLOG):
                connection, _ = listener.accept()
                register(connection)
                spawn(serve, connection)
            park(ready.append)  # who always finds more would let nobody else run
        except BlockingIOError:
            park(partial(readers.__setitem__, listener.fileno()))
        except OSError:
            park(resting.append)


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    spawn(write, client)
    room.add(client)
    rest = b""
    with suppress(OSError):  # a reset ends a connection as well as an end of stream
        while chunk := recv(connection):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                broadcast(data[:end])
            rest = data[end:]
    room.discard(client)
    client.leaving = True
    wake(client)


def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with client.connection:
        while client.outbox or not client.leaving:
            if client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                with suppress(OSError):  # the reading greenlet sees it too, and leaves
                    sendall(client.connection, data)
            else:
                park(client.idle.append)


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
    park(ready.append)  # whoever else is ready to speak does so, and one flush serves all
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
        wake(client)


def wake(client: Client) -> None:
    ready.extend(client.idle)
    client.idle.clear()


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
