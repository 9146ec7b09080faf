#!/usr/bin/env python3
"""Broadcast on anyio: structured concurrency, two tasks and a memory object stream for every connection.

Order: the running task puts its messages into the streams of all clients before any other task runs.
A slow client: only its own writing task waits for it. While more than LIMIT bytes for it are unsent,
or its memory object stream is full, it misses new messages, always whole ones.
"""

import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

BACKLOG = 1024
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
ITEMS = 8192  # in a memory object stream: even the shortest takes up memory
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: SocketStream
    outbox: MemoryObjectSendStream[bytes]
    unsent: int = 0  # bytes that the kernel has not taken yet, in the outbox or on their way from it


room: set[Client] = set()


async def serve(stream: SocketStream) -> None:
    outbox, waiting = anyio.create_memory_object_stream[bytes](ITEMS)
    client = Client(stream, outbox)
    try:
        async with stream, waiting, anyio.create_task_group() as pair:
            pair.start_soon(write, client, waiting)
            room.add(client)
            rest = b""
            try:
                async for chunk in stream:
                    data = rest + chunk
                    end = whole_messages(data)
                    if end:
                        broadcast(data[:end])
                    rest = data[end:]
            finally:
                room.discard(client)
                outbox.close()  # the writing task sends what is unsent, and ends
                pair.cancel_scope.deadline = anyio.current_time() + LINGER_S  # even if the client never reads
    except* anyio.BrokenResourceError:
        pass  # a reset, which ends both tasks


async def write(client: Client, waiting: MemoryObjectReceiveStream[bytes]) -> None:
    """Send what the outbox holds: all that is added during one send goes out with the next."""
    async for first in waiting:
        batches = [first]
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while True:
                batches.append(waiting.receive_nowait())
        data = b"".join(batches)
        with suppress(anyio.BrokenResourceError):  # a reset; what came before it is still read
            await client.stream.send(data)
        client.unsent -= len(data)


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
    # One entry in each outbox for all whole messages of a read: the read has brought them together.
    for client in room:
        offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if client.unsent <= LIMIT:
        with suppress(anyio.WouldBlock):  # the outbox is full
            client.outbox.send_nowait(batch)
            client.unsent += len(batch)


async def accept(listener: SocketListener, group: TaskGroup) -> None:
    # Not listener.serve(): when no descriptor is left it raises, which ends the server. And it starts a task for
    # each stream: on asyncio, anyio reads from a stream that has been accepted until a receive() first has to
    # wait, and that may be never if the client sends before the task runs. So the task that has accepted a
    # connection serves it at once, and a new task accepts the next one.
    while True:
        try:
            stream = await listener.accept()
        except (OSError, anyio.BrokenResourceError):  # asyncio raises the first, trio the second
            await anyio.sleep(RETRY_S)
        else:
            group.start_soon(accept, listener, group)
            return await serve(stream)


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
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            # Not create_tcp_listener: it looks addresses up with AI_ADDRCONFIG, and so does not know ::1 where only the
            # loopback interface has IPv6, as in many containers.
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = await SocketListener.from_socket(socket.create_server(address, family=family, backlog=BACKLOG))
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        async with listener, anyio.create_task_group() as group:
            group.start_soon(accept, listener, group)
            print(f"listening on {shown}:{listener.extra(SocketAttribute.local_port)}", flush=True)
            await anext(signals)
            group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, parse_address(sys.argv[1:]))
