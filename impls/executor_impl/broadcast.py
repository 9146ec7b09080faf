#!/usr/bin/env python3
"""Broadcast on our own executor: two tasks for every connection, on workers that steal tasks.

Order: every reading task appends its whole messages to `pending`; the task that holds the lock
puts all that is collected there into every outbox, so that all clients receive the same order.
A slow client: only its own writing task waits for it. Its outbox keeps what the kernel has not taken;
while that is more than LIMIT bytes, the client misses new batches, always as whole messages.
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
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
WORKERS = 2  # threads: while a task occupies one, the other runs the rest


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: executor.Socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: executor.Condition = field(default_factory=executor.Condition)  # guards the outbox
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients
order = threading.Lock()  # guards the room and `pending`


async def serve(connection: executor.Socket) -> None:
    client = Client(connection)
    with connection:
        writer = executor.spawn(write(client))
        try:
            await read(client)
        finally:
            leave(client)
        limit = executor.spawn(close_after(LINGER_S, connection))  # even if the client never reads
        await writer.join()  # what is unsent is sent first
        limit.cancel()


async def close_after(seconds: float, connection: executor.Socket) -> None:
    await executor.sleep(seconds)
    connection.close()  # whatever waits for it ends with an OSError


async def read(client: Client) -> None:
    with order:
        room.add(client)
    rest = b""
    with suppress(OSError):  # a reset ends a connection just as an end of stream does
        while chunk := await client.connection.recv(CHUNK):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    sent = 0
    with suppress(OSError):  # the reading task sees the error too, and ends the connection
        while True:
            with client.wake:
                del client.outbox[:sent]  # not before it is sent: until then it counts against the limit
                while not client.outbox and not client.leaving:
                    await client.wake.wait()
                data = client.outbox[:CHUNK]
            if not data:
                return
            sent = await client.connection.send(data)


def leave(client: Client) -> None:
    flush()  # its own last messages may still be pending, and it receives them too
    with order:
        room.discard(client)
    with client.wake:
        client.leaving = True
        client.wake.notify()


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
    with order:
        first = not pending
        pending.append(batch)
    await executor.yield_now()  # other ready clients append first, so that one flush serves all
    if first:  # if each did, it would send alone what the one before it has just read
        flush()


def flush() -> None:
    """Offer what is pending, mostly as one batch: one offer per client, however many clients have sent."""
    with order:
        while pending:
            batch = b""
            while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
                batch += pending.popleft()
            for client in room:
                offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    with client.wake:
        if len(client.outbox) <= LIMIT:
            if not client.outbox:  # else it is already awake
                client.wake.notify()
            client.outbox += batch


async def accept(listener: executor.Socket) -> None:
    while True:
        try:
            connection, _ = await listener.accept()
        except OSError:
            await executor.sleep(RETRY_S)
            continue
        executor.spawn(serve(connection))
        await executor.yield_now()  # else a listener that is always ready would keep the others from running


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


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


if __name__ == "__main__":
    executor.run(main(parse_address(sys.argv[1:])), workers=WORKERS, signals=(signal.SIGINT, signal.SIGTERM))
