#!/usr/bin/env python3
"""Channels on asyncio streams: tasks, one that reads and one that writes for every connection.

Order: whoever has its turn on the one event loop puts a message into the outboxes of all
subscribers before anybody else does anything. Replies go the same way.
A slow client: only its own two tasks wait for it. While more than LIMIT bytes stand in its
outbox it misses new messages, and while its replies make it twice as many its requests wait.
"""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

BACKLOG = 1024
ACCEPTS = 16  # a turn of the loop
LINE = 64 * 1024  # bytes of the longest request, with its line feed
READ = 16 * 1024  # bytes a read: hundreds of requests, and few enough to be fair
WRITE = 64 * 1024  # bytes a write
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    writer: asyncio.StreamWriter
    channels: set[str] = field(default_factory=set)
    outbox: bytearray = field(default_factory=bytearray)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False  # nothing more comes into the outbox


channels: dict[str, set[Client]] = {}  # those that somebody hears, and who
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


async def main(address: tuple[str, int]) -> None:
    # Nothing needs saving, and an orderly exit would first have to meet all the tasks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    # The default handler prints a traceback; running out of descriptors deserves one line.
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, what: print(f"{what['message']}: {what.get('exception')}", file=sys.stderr))
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Its connections inherit it; asyncio sets it only where the protocol number is spelt out.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    await accept(listener)


async def accept(listener: socket.socket) -> None:
    # asyncio's backlog is also its number of accepts a turn. A crowd should come in few turns, but
    # asyncio goes on, and reports each, when the first has found no descriptor left: so not many.
    server = await asyncio.start_server(serve, sock=listener, backlog=ACCEPTS)
    listener.listen(BACKLOG)
    await server.serve_forever()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    client = Client(writer)
    with closing(writer):
        writing = asyncio.create_task(write(client))
        rest = b""
        with suppress(OSError):  # a reset ends a connection as well as an end of stream
            while chunk := await reader.read(READ):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    handle(client, line)
                    await pause(client)
                rest = rest[:LINE]  # what is too long stays too long, and is never kept whole
                await asyncio.sleep(0)  # who always finds more would let nobody else run
        leave(client)
        await writing  # sends what is unsent first


async def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with suppress(OSError):  # the reading task sees it too, and ends the connection
        while True:
            data = await take(client)
            if not data:
                return
            client.writer.write(data)
            await client.writer.drain()
    client.leaving = True
    client.wake.set()  # its reader may wait for room


async def take(client: Client) -> bytearray:
    """Wait for something to send; there is nothing when the client has left."""
    while not client.outbox and not client.leaving:
        client.wake.clear()
        await client.wake.wait()
    data = client.outbox[:WRITE]
    del client.outbox[:WRITE]
    client.wake.set()  # its reader may wait for room
    return data


async def pause(client: Client) -> None:
    """Wait while the client does not read the replies to its requests."""
    while len(client.outbox) > 2 * LIMIT and not client.leaving:
        client.wake.clear()
        await client.wake.wait()


def handle(client: Client, line: bytes) -> None:
    """Do what a line asks for, or answer why not."""
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
    """Forget the client, and the channels that nobody else hears."""
    for channel in client.channels:
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]
    client.leaving = True
    client.wake.set()


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a message is not for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if not client.leaving:
        if not client.outbox:  # else it is awake already
            client.wake.set()
        client.outbox += reply


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each bracket inside of another takes up stack: more than requests have are not shown to json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode())


def encode(reply: object) -> bytes:
    """Raise ValueError for half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    asyncio.run(main(parse_address(sys.argv[1:])))
