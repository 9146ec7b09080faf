#!/usr/bin/env python3
"""Channels on asyncio streams: a reading and a writing task for every connection.

Order: the running task puts a message into the outboxes of all subscribers before any other task
runs. Replies go the same way.
A slow client: only its own two tasks wait for it. While its outbox holds more than LIMIT bytes,
it misses new messages; while replies make it twice as many, its requests wait.
"""

import asyncio
import errno
import json
import re
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any, NoReturn

BACKLOG = 1024
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30.0  # for a client with too many unsent replies to read some of them
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    writer: asyncio.StreamWriter
    channels: set[str] = field(default_factory=set)
    outbox: bytearray = field(default_factory=bytearray)
    # For either task: one waits while the outbox is empty, the other while it is too full, so never both.
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False  # nothing more is added to the outbox


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    client = Client(writer)
    try:
        async with asyncio.TaskGroup() as pair:
            writing = pair.create_task(write(client))
            try:
                await read(client, reader)
            finally:
                leave(client)
            async with asyncio.timeout(LINGER_S):
                await writing  # it sends what is unsent
    except* OSError:
        pass  # a reset, which ends both tasks, or a TimeoutError
    finally:
        writer.transport.abort()  # close() would wait for a client that does not read


async def read(client: Client, reader: asyncio.StreamReader) -> None:
    """Carry out the client's requests, until its stream ends."""
    rest = b""
    while chunk := await reader.read(READ):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            handle(client, line)
            await pause(client)
        rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
        await asyncio.sleep(0)  # else a socket that is always ready would keep the others from running


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    client.writer.transport.set_write_buffer_limits(0)  # drain() returns when the kernel has taken everything
    while data := await take(client):
        client.writer.write(data)
        await client.writer.drain()
        del client.outbox[: len(data)]  # not before: what is on its way counts against the limits
        client.wake.set()  # the reader may be waiting for space


async def take(client: Client) -> bytearray:
    """Wait for something to send; return nothing when the client has left and all is sent."""
    while not client.outbox and not client.leaving:
        client.wake.clear()
        await client.wake.wait()
    return client.outbox[:WRITE]


async def pause(client: Client) -> None:
    """Wait while too many replies to the client are unsent.

    Not for ever, because the end of its stream is not seen meanwhile.
    """
    while len(client.outbox) > 2 * LIMIT and not client.leaving:
        client.wake.clear()
        async with asyncio.timeout(PAUSE_S):
            await client.wake.wait()


def handle(client: Client, line: bytes) -> None:
    """Carry out the request in a line, or reply why not."""
    try:
        obey(client, decode(line))
    except ValueError as error:
        send(client, encode({"Error": str(error)}))


def obey(client: Client, request: Any) -> None:
    match request:
        case {"Subscribe": str(channel)} if len(request) == 1:
            send(client, encode({"Subscribed": channel}))
            client.channels.add(channel)
            channels.setdefault(channel, set()).add(client)
        case {"Send": {"channel": str(channel), "message": str(message)}} if len(request) == 1:
            delivery = encode({"Message": {"channel": channel, "message": message}})
            if channel not in channels:
                raise ValueError(f"no such channel: {channel}")
            for subscriber in channels[channel]:
                offer(subscriber, delivery)
        case _:
            raise ValueError("no such request")


def leave(client: Client) -> None:
    """Forget the client, and the channels that have no other subscriber."""
    for channel in client.channels:
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]
    client.leaving = True
    client.wake.set()


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if not client.leaving:
        if not client.outbox:  # else it is already awake
            client.wake.set()
        client.outbox += reply


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each level of nesting takes up stack, so lines that are nested deeper than any request do not reach json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode(), parse_constant=refuse)


def refuse(constant: str) -> NoReturn:
    """Python takes NaN and Infinity, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


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
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
