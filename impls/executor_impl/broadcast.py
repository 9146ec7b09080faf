#!/usr/bin/env python3
"""Broadcast on our own executor: two tasks for every connection, on workers that steal tasks.

Order: every reading task appends its whole messages to `pending`; the task that holds the lock
puts all that is collected there into every outbox, so that all clients receive the same order.
A slow client: only its own writing task waits for it. While its outbox holds more than LIMIT bytes,
the client misses new batches, always as whole messages.
"""

from __future__ import annotations

import re
import signal
import socket
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import executor
else:
    import executor  # this file runs as a script, next to the package

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_MS = 10_000  # for a client that has closed its sending side to read what is unsent
WORKERS = 2  # threads: while a task occupies one, the other runs the rest


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: executor.Socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: executor.Condition = field(default_factory=executor.Condition)  # guards the outbox
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients
order = threading.Lock()  # guards the room, and taking from `pending`


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    with suppress(executor.Cancelled):  # by a signal; when this task ends, all others are cancelled
        await accept(executor.Socket(listener))


async def accept(listener: executor.Socket) -> None:
    while True:
        try:
            connection, _ = await listener.accept()
        except OSError:
            await executor.sleep(RETRY_S)
            continue
        executor.spawn(serve(connection))


async def serve(connection: executor.Socket) -> None:
    client = Client(connection)
    with connection:
        writer = executor.spawn(write(client))
        with order:
            room.add(client)
        rest = b""
        with suppress(OSError):  # a reset ends a connection just as an end of stream does
            while chunk := await connection.recv(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    await broadcast(data[:end])
                rest = data[end:]
        with order:
            room.discard(client)
        with client.wake:
            client.leaving = True
            client.wake.notify()
        connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LINGER_MS)  # it may never read
        await writer.join()  # what is unsent is sent first


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    with suppress(OSError):  # the reading task sees the error too, and ends the connection
        while True:
            with client.wake:
                while not client.outbox and not client.leaving:
                    await client.wake.wait()
                data = client.outbox[:CHUNK]
                del client.outbox[:CHUNK]
            if not data:
                return
            await client.connection.sendall(data)


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Append these messages to the common order."""
    pending.append(batch)
    await executor.yield_now()  # other ready clients append first, so that one flush serves all
    flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    with order:
        batch = b""
        while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
            batch += pending.popleft()
        if batch:
            for client in room:
                offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    with client.wake:
        if len(client.outbox) <= LIMIT:
            if not client.outbox:  # else it is already awake
                client.wake.notify()
            client.outbox += batch


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    executor.run(main(parse_address(sys.argv[1:])), workers=WORKERS, signals=(signal.SIGINT, signal.SIGTERM))
