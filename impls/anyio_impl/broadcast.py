#!/usr/bin/env python3
"""Broadcast on anyio: structured concurrency, two tasks for every connection.

Order: every reading task appends its whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to every outbox at once: that is the common order.
A slow client: only its own writing task waits for it; while more than LIMIT bytes
stand in its outbox, the client misses new batches, always as whole messages.
"""

import re
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup
from anyio.lowlevel import checkpoint

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    stream: SocketStream
    outbox: bytearray = field(default_factory=bytearray)
    wake: anyio.Event = field(default_factory=anyio.Event)  # set: something to send, or leaving
    leaving: bool = False


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            door = await anyio.create_tcp_listener(local_host=host, local_port=port, backlog=BACKLOG)
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        async with anyio.create_task_group() as group:
            for listener in door.listeners:
                group.start_soon(accept, cast(SocketListener, listener), group)
            port = door.extra(SocketAttribute.local_port)
            print(f"listening on {shown}:{port}", flush=True)
            await anext(signals)
            group.cancel_scope.cancel()


async def accept(listener: SocketListener, group: TaskGroup) -> None:
    # Not listener.serve(): that one ends, and all with it, when no descriptor is left; and it
    # starts a task for a stream, to which anyio may by then have begun to read without bound.
    # So who has accepted serves, at once, and leaves the door to a successor.
    while True:
        try:
            stream = await listener.accept()
        except (OSError, anyio.BrokenResourceError):  # which of the two, the backends do not agree
            await anyio.sleep(RETRY_S)
        else:
            group.start_soon(accept, listener, group)
            return await serve(stream)


async def serve(stream: SocketStream) -> None:
    client = Client(stream)
    async with stream, anyio.create_task_group() as pair:
        pair.start_soon(write, client)
        room.add(client)
        rest = b""
        try:
            # A reset ends a connection as well as an end of stream.
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    data = rest + await stream.receive(CHUNK)
                    end = whole_messages(data)
                    if end:
                        await broadcast(data[:end])
                    rest = data[end:]
        finally:
            room.discard(client)
            client.leaving = True
            client.wake.set()  # the group now waits until what is unsent is sent


async def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with suppress(anyio.BrokenResourceError):  # the reading task sees it too
        while client.outbox or not client.leaving:
            await client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                await client.stream.send(data)
            if not client.leaving:
                client.wake = anyio.Event()


def whole_messages(data: bytes) -> int:
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Put these messages next in the common order."""
    tick.append(batch)
    await checkpoint()  # whoever else is ready to speak does so, and one flush serves all
    flush()


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    batch = b""
    while tick and len(batch) < CHUNK:  # a longer one might leave no room for the next
        batch += tick.popleft()
    if batch:
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        client.wake.set()


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    anyio.run(main, parse_address(sys.argv[1:]))
