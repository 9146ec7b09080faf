#!/usr/bin/env python3
"""Broadcast on curio: two tasks and a queue for every connection, in a task group that ends them together.

Order: the running task puts its messages into the queues of all clients before any other task runs.
A slow client: only its own writing task waits for it. While more than LIMIT bytes for it are unsent,
or its queue is full, it misses new messages, always whole ones.
"""

import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import curio
from curio.io import Socket

BACKLOG = 1024
ACCEPTS = 100  # in a row, before the others run
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
ITEMS = 8192  # in a queue: even the shortest takes up memory
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: Socket
    outbox: curio.Queue = field(default_factory=lambda: curio.Queue(ITEMS))
    unsent: int = 0  # bytes that the kernel has not taken yet, in the queue or on their way from it


room: set[Client] = set()


async def serve(connection: Socket) -> None:
    client = Client(connection)
    room.add(client)
    try:
        async with connection, curio.TaskGroup(wait=any) as pair:  # when one task ends, the other is cancelled
            await pair.spawn(write, client)
            await pair.spawn(read, client)
    finally:
        room.discard(client)


async def read(client: Client) -> None:
    """Broadcast the client's messages until its stream ends, and wait until what is unsent is sent."""
    rest = b""
    with suppress(OSError):  # a reset
        while chunk := await client.connection.recv(CHUNK):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]
            await curio.sleep(0)  # else a socket that is always ready would keep the others from running
        room.discard(client)
        await curio.ignore_after(LINGER_S, client.outbox.join)  # not for ever: the client may never read


async def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    while True:
        batches = [await client.outbox.get()]
        while not client.outbox.empty():
            batches.append(await client.outbox.get())
        data = b"".join(batches)
        with suppress(OSError):  # a reset; what came before it is still read
            await client.connection.sendall(data)
        client.unsent -= len(data)
        for _ in batches:
            await client.outbox.task_done()


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
    # One entry in each queue for all whole messages of a read: the read has brought them together.
    # None of these calls waits: no other task runs before all clients have been offered the batch.
    for client in room:
        await offer(client, batch)


async def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if client.unsent <= LIMIT and not client.outbox.full():
        client.unsent += len(batch)
        await client.outbox.put(batch)


async def accept(listener: Socket) -> None:
    # Not curio.tcp_server(): when no descriptor is left it raises, which ends the server.
    while True:
        try:
            for _ in range(ACCEPTS):
                connection, _ = await listener.accept()
                await curio.spawn(serve, connection, daemon=True)  # daemon: no task joins it
            await curio.sleep(0)  # else a socket that is always ready would keep the others from running
        except OSError:
            await curio.sleep(RETRY_S)


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
    await accept(Socket(listener))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    curio.run(main, parse_address(sys.argv[1:]))
