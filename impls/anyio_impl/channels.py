#!/usr/bin/env python3
"""Channels on anyio: structured concurrency, two tasks and a memory object stream for every connection.

Order: the running task puts a message into the outboxes of all subscribers before any other task
runs. Replies go the same way.
A slow client: only its own two tasks wait for it. While more than LIMIT bytes for it are unsent,
it misses new messages; while replies make it twice as many, its requests wait.
"""

import json
import math
import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30.0  # for a client with too many unsent replies to read some of them


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: SocketStream
    outbox: MemoryObjectSendStream[bytes]
    channels: set[str] = field(default_factory=set)
    unsent: int = 0  # bytes that the kernel has not taken yet, in the outbox or on their way from it
    sent: anyio.Event = field(default_factory=anyio.Event)  # set after each send


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


async def serve(stream: SocketStream) -> None:
    outbox, waiting = anyio.create_memory_object_stream[bytes](math.inf)  # bounded in bytes, by `offer` and `pause`
    client = Client(stream, outbox)
    try:
        async with stream, waiting, anyio.create_task_group() as pair:
            pair.start_soon(write, client, waiting)
            rest = b""
            try:
                with suppress(anyio.EndOfStream):
                    while True:
                        *lines, rest = (rest + await stream.receive(READ)).split(b"\n")
                        for line in lines:
                            handle(client, line)
                            await pause(client)
                        rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
            finally:
                leave(client)
                pair.cancel_scope.deadline = anyio.current_time() + LINGER_S  # even if the client never reads
    except* (anyio.BrokenResourceError, TimeoutError):
        pass  # a reset or too long a pause, either of which ends both tasks


async def write(client: Client, waiting: MemoryObjectReceiveStream[bytes]) -> None:
    """Send what the outbox holds: all that is added during one send goes out with the next."""
    async for first in waiting:
        lines = [first]
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while True:
                lines.append(waiting.receive_nowait())
        data = b"".join(lines)
        for begin in range(0, len(data), WRITE):  # in parts, so that `pause` sees that a slow client reads
            part = data[begin : begin + WRITE]
            with suppress(anyio.BrokenResourceError):  # a reset; what came before it is still read
                await client.stream.send(part)
            client.unsent -= len(part)
            client.sent.set()  # the reading task may be waiting for it


async def pause(client: Client) -> None:
    """Wait while too many replies to the client are unsent.

    Not for ever, because the end of its stream is not seen meanwhile.
    """
    while client.unsent > 2 * LIMIT:
        client.sent = anyio.Event()
        with anyio.fail_after(PAUSE_S):
            await client.sent.wait()


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
    client.outbox.close()  # the writing task sends what is unsent, and ends


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if client.unsent <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    client.outbox.send_nowait(reply)
    client.unsent += len(reply)


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
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
