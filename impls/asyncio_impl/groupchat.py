#!/usr/bin/env python3
"""A group chat on asyncio streams: a reading and a writing task for every connection.

Order: the running task puts a message or a notice into the outboxes of all members before any other
task runs. Replies go the same way.
A slow client: only its own two tasks wait for it. While its outbox holds more than LIMIT bytes,
it misses new messages; while replies make it twice as many, its requests wait; and when notices,
which no member may miss, make it three times as many, it is disconnected.
"""

import asyncio
import errno
import re
import signal
import socket
import sys
from dataclasses import dataclass, field

from spec.groupchat.messages import Join, Joined, Left, Refused, Reply, Request, Said, Say, Welcome
from spec.groupchat.serdy import dumps, loads

BACKLOG = 1024
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30.0  # for a client with too many unsent replies to read some of them
FRAME = 64 * 1024 - 1  # bytes of the longest payload: a length has two bytes
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    writer: asyncio.StreamWriter
    name: str | None = None  # None until the client has joined; until then it gets no messages
    outbox: bytearray = field(default_factory=bytearray)
    # For either task: one waits while the outbox is empty, the other while it is too full, so never both.
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False  # nothing more is added to the outbox


members: dict[str, Client] = {}  # the clients that have joined, by name


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
        payloads, rest = cut(rest + chunk)
        for payload in payloads:
            handle(client, payload)
            await pause(client)
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


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of all whole frames, and the unfinished rest."""
    payloads, end = [], 0
    while (begin := end + 2) <= len(data):
        following = begin + int.from_bytes(data[end:begin], "big")
        if following > len(data):
            break
        payloads.append(data[begin:following])
        end = following
    return payloads, data[end:]


def handle(client: Client, payload: bytes) -> None:
    """Carry out the request in a frame, or reply why not."""
    try:
        obey(client, loads(payload, Request))
    except ValueError as error:
        send(client, encode(Refused(str(error))))


def obey(client: Client, request: Join | Say) -> None:
    match request:
        case Join(name) if client.name is None:
            if name in members:
                raise ValueError("this name is taken")
            send(client, encode(Welcome(list(members))))
            announce(Joined(name))
            members[name] = client
            client.name = name
        case Say(text) if client.name is not None:
            delivery = encode(Said(client.name, text))
            for member in members.values():
                offer(member, delivery)
        case Join():
            raise ValueError("you have already joined")
        case Say():
            raise ValueError("join first")


def leave(client: Client) -> None:
    """Forget the client; if it was a member, announce that it has left."""
    if client.name is not None:
        del members[client.name]
        announce(Left(client.name))
    client.leaving = True
    client.wake.set()


def announce(notice: Joined | Left) -> None:
    """Send a notice to all members, and disconnect those too far behind.

    Without the notice, such a member would have a wrong list of members.
    """
    delivery = encode(notice)
    for member in members.values():
        if len(member.outbox) > 3 * LIMIT and not member.leaving:
            member.leaving = True  # its two tasks then fail or see the end of the stream; `leave` follows
            member.writer.transport.abort()
        send(member, delivery)


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if not client.leaving:
        if not client.outbox:  # else it is already awake
            client.wake.set()
        client.outbox += reply


def encode(reply: Reply) -> bytes:
    """Raise ValueError for a reply that does not fit into a frame, as a Welcome with very many names."""
    payload = dumps(reply, Reply)
    if len(payload) > FRAME:
        raise ValueError("the room is full")
    return len(payload).to_bytes(2, "big") + payload


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
        print("usage: groupchat.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
