#!/usr/bin/env python3
"""Broadcast on an executor of our own: two tasks for every connection, on workers that steal.

Order: every reading task appends its whole messages to the one `tick`, and who holds
the lock puts all that gathered there into everybody's outbox: that is the common order.
A slow client: only its own writing task waits for it; while more than LIMIT bytes
stand in its outbox, the client misses new batches, always as whole messages.
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
    import executor  # this file is a program, and the package stands beside it

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left
WORKERS = 2  # threads: while a task keeps one of them, the other is there for the rest


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    connection: executor.Socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: executor.Condition = field(default_factory=executor.Condition)  # guards the outbox
    leaving: bool = False


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered
order = threading.Lock()  # guards the room, and taking from the tick


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    with suppress(executor.Cancelled):  # a signal; when this task has ended, all others are cancelled
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
        with suppress(OSError):  # a reset ends a connection as well as an end of stream
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
        await writer.join()  # sends what is unsent first


async def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with suppress(OSError):  # the reading task sees it too, and ends the connection
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
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Put these messages next in the common order."""
    tick.append(batch)
    await executor.yield_now()  # whoever else is ready to speak does so, and one flush serves all
    flush()


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    with order:
        batch = b""
        while tick and len(batch) < CHUNK:  # a longer one might leave no room for the next
            batch += tick.popleft()
        if batch:
            for client in room:
                offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    with client.wake:
        if len(client.outbox) <= LIMIT:
            if not client.outbox:  # else it is awake already
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
