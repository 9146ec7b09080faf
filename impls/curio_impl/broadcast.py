#!/usr/bin/env python3
"""Broadcast on curio: two tasks for every connection.

Order: every reading task appends its whole messages to `pending`; what is collected there in one turn of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: only its own writing task waits for it. While its outbox holds more than LIMIT bytes,
the client misses new batches, always as whole messages.
"""

import os
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import curio
from curio.io import Socket

BACKLOG = 1024
ACCEPTS = 100  # in a row, before the others run
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_MS = 10_000  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: Socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: curio.Event = field(default_factory=curio.Event)  # set when there is something to send, or when leaving
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


async def main(address: tuple[str, int]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))  # nothing needs saving
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


async def serve(connection: Socket) -> None:
    client = Client(connection)
    async with connection:
        writer = await curio.spawn(write, client)
        room.add(client)
        rest = b""
        with suppress(OSError):  # a reset ends a connection just as an end of stream does
            while chunk := await connection.recv(CHUNK):
                data = rest + chunk
                end = whole_messages(data)
                if end:
                    await broadcast(data[:end])
                rest = data[end:]
        room.discard(client)
        client.leaving = True
        await client.wake.set()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LINGER_MS)  # it may never read
        await writer.join()  # what is unsent is sent first


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    with suppress(OSError):  # the reading task sees the error too, and ends the connection
        while client.outbox or not client.leaving:
            await client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                await client.connection.sendall(data)
            if not client.leaving:
                client.wake.clear()


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
    await curio.sleep(0)  # other ready clients append first, so that one flush serves all
    await flush()


async def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    batch = b""
    while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
        batch += pending.popleft()
    if batch:
        for client in room:
            await offer(client, batch)


async def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        await client.wake.set()


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    curio.run(main, parse_address(sys.argv[1:]))
