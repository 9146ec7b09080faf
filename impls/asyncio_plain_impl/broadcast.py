#!/usr/bin/env python3
"""Broadcast on asyncio, as its documentation teaches it: streams, and two tasks with a queue for every connection.

Order: the running task puts its message into the queues of all clients before any other task runs.
A slow client: only its own writing task waits for it. While more than LIMIT bytes for it are unsent,
or its queue is full, it misses new messages.
"""

import asyncio
import errno
import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field

BACKLOG = 1024
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
QUEUE = 8192  # messages: even the shortest takes up memory in a queue
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    writer: asyncio.StreamWriter
    outbox: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    unsent: int = 0  # bytes that the kernel has not taken yet, in the queue or on their way from it


room: set[Client] = set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    client = Client(writer)
    try:
        async with asyncio.TaskGroup() as pair:
            writing = pair.create_task(write(client))
            room.add(client)
            await read(reader)
            room.discard(client)  # it gets what is unsent, and nothing new
            async with asyncio.timeout(LINGER_S):
                await client.outbox.join()  # the writing task sends what is unsent
            writing.cancel()
    except* OSError:
        pass  # a reset, which ends both tasks, with what came before it and is not read yet; or a TimeoutError
    finally:
        room.discard(client)
        writer.transport.abort()  # close() would wait for a client that does not read


async def read(reader: asyncio.StreamReader) -> None:
    """Broadcast the client's messages, until its stream ends."""
    with suppress(asyncio.IncompleteReadError):  # the end of the stream, be it in the middle of a message
        while True:
            header = await reader.readexactly(1)
            body = await reader.readexactly(header[0])
            broadcast(header + body)
            # readexactly does not wait for what is already in the reader's buffer: without this,
            # one client that sends a lot would keep all other tasks from running.
            await asyncio.sleep(0)


async def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    client.writer.transport.set_write_buffer_limits(0)  # drain() returns when the kernel has taken everything
    while True:
        messages = [await client.outbox.get()]
        while not client.outbox.empty():
            messages.append(client.outbox.get_nowait())
        client.writer.write(b"".join(messages))
        await client.writer.drain()
        for message in messages:
            client.unsent -= len(message)
            client.outbox.task_done()


def broadcast(message: bytes) -> None:
    for client in room:
        offer(client, message)


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if client.unsent <= LIMIT and not client.outbox.full():
        client.outbox.put_nowait(message)
        client.unsent += len(message)


async def accept(listener: socket.socket) -> asyncio.Server:
    # asyncio takes the backlog also as the number of accepts per turn of the loop, and makes (and logs)
    # all of them even after the first has found no descriptor left: hence 1, and listen() below.
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    return server


def report(loop: asyncio.AbstractEventLoop, what: dict[str, object]) -> None:
    """Say nothing when no descriptor is left: if nothing reads standard error, the write would block all clients."""
    lacking = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # asyncio rests for a second, and tries again
    if getattr(what.get("exception"), "errno", None) not in lacking:
        loop.default_exception_handler(what)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


async def main(address: tuple[str, int]) -> None:
    asyncio.get_running_loop().set_exception_handler(report)
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Accepted connections inherit it. asyncio sets it only if a socket's protocol number is IPPROTO_TCP; here it is 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await accept(listener)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    asyncio.run(main(parse_address(sys.argv[1:])))
