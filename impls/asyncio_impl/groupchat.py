#!/usr/bin/env python3
"""A group chat on asyncio streams: tasks, one that reads and one that writes for every connection.

Order: whoever has its turn on the one event loop puts a message or a notice into the outboxes
of all members before anybody else does anything. Replies go the same way.
A slow client: only its own two tasks wait for it. While more than LIMIT bytes stand in its
outbox it misses new messages; while its replies make it twice as many its requests wait; and
when notices, which nobody may miss, make it three times as many, it is cut off.
"""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass, field

from spec.groupchat.messages import Join, Joined, Left, Refused, Reply, Request, Said, Say, Welcome
from spec.groupchat.serdy import dumps, loads

BACKLOG = 1024
ACCEPTS = 16  # a turn of the loop
FRAME = 64 * 1024 - 1  # bytes of the longest payload, for a length has two bytes
READ = 16 * 1024  # bytes a read: hundreds of requests, and few enough to be fair
WRITE = 64 * 1024  # bytes a write
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    writer: asyncio.StreamWriter
    name: str | None = None  # of a member; others are guests, and hear nothing
    outbox: bytearray = field(default_factory=bytearray)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False  # nothing more comes into the outbox


members: dict[str, Client] = {}  # those who have joined, by name


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
                payloads, rest = cut(rest + chunk)
                for payload in payloads:
                    handle(client, payload)
                    await pause(client)
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


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of all whole frames, and what is left."""
    payloads, end = [], 0
    while (begin := end + 2) <= len(data):
        following = begin + int.from_bytes(data[end:begin], "big")
        if following > len(data):
            break
        payloads.append(data[begin:following])
        end = following
    return payloads, data[end:]


def handle(client: Client, payload: bytes) -> None:
    """Do what a frame asks for, or answer why not."""
    try:
        obey(client, loads(payload, Request))
    except ValueError as error:
        send(client, encode(Refused(str(error))))


def obey(client: Client, request: Join | Say) -> None:
    match request:
        case Join(name) if client.name is None:
            if name in members:
                raise ValueError("somebody has this name")
            send(client, encode(Welcome(list(members))))
            announce(Joined(name))
            members[name] = client
            client.name = name
        case Say(text) if client.name is not None:
            delivery = encode(Said(client.name, text))
            for member in members.values():
                offer(member, delivery)
        case Join():
            raise ValueError("you have joined already")
        case Say():
            raise ValueError("join first")


def leave(client: Client) -> None:
    """Forget the client, and tell the others when it was a member."""
    if client.name is not None:
        del members[client.name]
        announce(Left(client.name))
    client.leaving = True
    client.wake.set()


def announce(notice: Joined | Left) -> None:
    """Tell all members, and cut off who does not read: a notice that it missed would leave it with a wrong room."""
    delivery = encode(notice)
    for member in members.values():
        if len(member.outbox) > 3 * LIMIT and not member.leaving:
            member.leaving = True  # whoever reads for it sees the end, and does the rest
            member.writer.transport.abort()
        send(member, delivery)


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a message is not for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if not client.leaving:
        if not client.outbox:  # else it is awake already
            client.wake.set()
        client.outbox += reply


def encode(reply: Reply) -> bytes:
    """Raise ValueError for what does not fit into a frame, as the names of very many members do not."""
    payload = dumps(reply, Reply)
    if len(payload) > FRAME:
        raise ValueError("the room is full")
    return len(payload).to_bytes(2, "big") + payload


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: groupchat.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    asyncio.run(main(parse_address(sys.argv[1:])))
