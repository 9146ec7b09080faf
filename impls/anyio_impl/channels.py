#!/usr/bin/env python3
"""Channels on anyio: structured concurrency, two tasks for every connection.

Order: the running task puts a message into the outboxes of all subscribers before any other task
runs. Replies go the same way.
A slow client: only its own two tasks wait for it. While its outbox holds more than LIMIT bytes,
it misses new messages; while replies make it twice as many, its requests wait.
"""

import json
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: SocketStream
    channels: set[str] = field(default_factory=set)
    outbox: bytearray = field(default_factory=bytearray)
    wake: anyio.Event = field(default_factory=anyio.Event)  # set when the outbox has changed
    leaving: bool = False  # nothing more is added to the outbox


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            multi_listener = await anyio.create_tcp_listener(local_host=host, local_port=port, backlog=BACKLOG)
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        async with anyio.create_task_group() as group:
            for listener in multi_listener.listeners:
                group.start_soon(accept, cast(SocketListener, listener), group)
            port = multi_listener.extra(SocketAttribute.local_port)
            print(f"listening on {shown}:{port}", flush=True)
            await anext(signals)
            group.cancel_scope.cancel()


async def accept(listener: SocketListener, group: TaskGroup) -> None:
    # Not listener.serve(): when no descriptor is left it raises, which ends the server. And it starts
    # a task for each stream: until that task runs, anyio may read without bound. So the task that
    # has accepted a connection serves it at once, and a new task accepts the next one.
    while True:
        try:
            stream = await listener.accept()
        except OSError:
            await anyio.sleep(RETRY_S)
        else:
            group.start_soon(accept, listener, group)
            return await serve(stream)


async def serve(stream: SocketStream) -> None:
    client = Client(stream)
    async with stream, anyio.create_task_group() as pair:
        pair.start_soon(write, client)
        rest = b""
        try:
            # A reset ends a connection just as an end of stream does.
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    *lines, rest = (rest + await stream.receive(READ)).split(b"\n")
                    for line in lines:
                        handle(client, line)
                        await pause(client)
                    rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
        finally:
            leave(client)  # the group now waits until the outbox is sent
            pair.cancel_scope.deadline = anyio.current_time() + LINGER_S  # but not for ever


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    with suppress(anyio.BrokenResourceError):  # the reading task sees the error too, and ends the connection
        while True:
            data = await take(client)
            if not data:
                return
            await client.stream.send(data)
    client.leaving = True
    client.wake.set()  # the reader may be waiting for space


async def take(client: Client) -> bytes:
    """Wait for something to send; return nothing when the client has left and all is sent."""
    while not client.outbox and not client.leaving:
        client.wake = anyio.Event()
        await client.wake.wait()
    data = bytes(client.outbox[:WRITE])
    del client.outbox[:WRITE]
    client.wake.set()  # the reader may be waiting for space
    return data


async def pause(client: Client) -> None:
    """Wait while too many replies to the client are unsent."""
    while len(client.outbox) > 2 * LIMIT and not client.leaving:
        client.wake = anyio.Event()
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
    return json.loads(line.decode())


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    anyio.run(main, parse_address(sys.argv[1:]))
