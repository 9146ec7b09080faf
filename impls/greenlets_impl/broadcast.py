#!/usr/bin/env python3
"""Broadcast on greenlets: two for every connection, and a scheduler of thirty lines that switches between them.

Order: every reading greenlet appends its whole messages to `pending`; what is collected there in one turn of
the scheduler is offered to every client as one batch, so that all receive the same order.
A slow client: only its own writing greenlet waits for it. Its outbox keeps what the kernel has not taken;
while that is more than LIMIT bytes, the client misses new batches, always as whole messages.
"""

import re
import select
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from greenlet import getcurrent, greenlet

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent

hub = getcurrent()  # runs the scheduler; every greenlet switches back to it
ready: deque[greenlet] = deque()
readers: dict[int, greenlet] = {}  # by the descriptor they wait for
writers: dict[int, greenlet] = {}
resting: list[greenlet] = []  # until the next event, or for RETRY_S at most
epoll = select.epoll()


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    outbox: bytearray = field(default_factory=bytearray)
    idle: list[greenlet] = field(default_factory=list)  # the writing greenlet, while there is nothing to write
    leaving: bool = False


room: set[Client] = set()
lingering: dict[Client, float] = {}  # have left, with something unsent; their deadlines, in order
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    spawn(write, client)
    room.add(client)
    try:
        read(client)
    finally:
        room.discard(client)
        client.leaving = True
        lingering[client] = monotonic() + LINGER_S  # it may never read
        wake(client)


def read(client: Client) -> None:
    rest = b""
    with suppress(OSError):  # a reset ends a connection just as an end of stream does
        while chunk := recv(client.connection):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                broadcast(data[:end])
            rest = data[end:]


def write(client: Client) -> None:
    """Send what collects in the outbox; what the kernel has not taken stays there, and counts."""
    with client.connection:
        while client.outbox or not client.leaving:
            if not client.outbox:
                park(client.idle.append)
                continue
            try:
                sent = send(client.connection, client.outbox)
                del client.outbox[:sent]
            except OSError:
                client.outbox.clear()  # the reading greenlet sees the error too, and leaves
    lingering.pop(client, None)


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
    first = not pending
    pending.append(batch)
    park(ready.append)  # other ready clients append first, so that one flush serves all
    if first:  # if each did, it would send alone what the one before it has just read
        try:
            flush()
        finally:
            pending.clear()  # after a fault, too: else nobody would be first again, and nothing be delivered


def flush() -> None:
    """Offer what is pending, mostly as one batch: one offer per client, however many clients have sent."""
    while pending:
        batch = b""
        while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
            batch += pending.popleft()
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        wake(client)


def wake(client: Client) -> None:
    ready.extend(client.idle)
    client.idle.clear()


def give_up() -> float | None:
    """Disconnect the clients whose time is up; return how many seconds the next one has left."""
    while lingering:
        client, deadline = next(iter(lingering.items()))
        wait = deadline - monotonic()
        if wait > 0:
            return wait
        del lingering[client]
        with suppress(OSError):
            client.connection.shutdown(socket.SHUT_RDWR)  # the writing greenlet's send fails
    return None


def accept(listener: socket.socket) -> None:
    while True:
        try:
            for _ in range(BACKLOG):
                connection, _ = listener.accept()
                register(connection)
                spawn(serve, connection)
            park(ready.append)  # else a socket that is always ready would keep the others from running
        except BlockingIOError:
            park(partial(readers.__setitem__, listener.fileno()))
        except OSError:
            park(resting.append)


def turn() -> None:
    """Switch to every greenlet whose wait is over; each runs until it must wait again."""
    wait = give_up()
    for descriptor, events in epoll.poll(0 if ready else RETRY_S if resting else wait):
        # To the front, so that all ready clients are read before what is pending is flushed.
        if events & ~select.EPOLLOUT and descriptor in readers:
            ready.appendleft(readers.pop(descriptor))
        if events & ~select.EPOLLIN and descriptor in writers:
            ready.appendleft(writers.pop(descriptor))
    ready.extend(resting)
    resting.clear()
    for _ in range(len(ready)):
        try:
            ready.popleft().switch()
        except Exception:  # a fault in one greenlet must not end the others
            traceback.print_exc()


def spawn(run: Callable[..., None], *arguments: object) -> None:
    ready.append(greenlet(partial(run, *arguments), parent=hub))


def park(where: Callable[[greenlet], object]) -> None:
    """Put the current greenlet where the scheduler will find it again, and let others run until then."""
    where(getcurrent())
    hub.switch()


def register(connection: socket.socket) -> None:
    """Watch a connection, edge-triggered: a greenlet that waits has tried before, and tries again when woken."""
    connection.setblocking(False)
    epoll.register(connection, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)


def recv(connection: socket.socket) -> bytes:
    while True:
        with suppress(BlockingIOError):  # a `park` in `except` would keep an exception for each idle client
            return connection.recv(CHUNK)
        park(partial(readers.__setitem__, connection.fileno()))


def send(connection: socket.socket, data: bytearray) -> int:
    while True:
        with suppress(BlockingIOError):
            return connection.send(data)
        park(partial(writers.__setitem__, connection.fileno()))


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
    register(listener)
    spawn(accept, listener)
    while True:
        turn()


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
