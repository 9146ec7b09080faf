#!/usr/bin/env python3
"""Broadcast on trio: structured concurrency, two tasks for every connection.

Order: every reading task appends its whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to every outbox at once: that is the common order.
A slow client: only its own writing task waits for it; while more than LIMIT bytes
stand in its outbox, the client misses new batches, always as whole messages.
"""

import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import trio

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RETRY_S = 0.1  # how long to wait for a descriptor when there is none left


@dataclass(eq=False)  # two clients are never the same, whatever their outboxes hold
class Client:
    stream: trio.SocketStream
    outbox: bytearray = field(default_factory=bytearray)
    wake: trio.Event = field(default_factory=trio.Event)  # set: something to send, or leaving
    leaving: bool = False


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server(address, family=family, backlog=BACKLOG)
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        listener.setblocking(False)
        print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept, listener, nursery)
            await anext(signals)
            nursery.cancel_scope.cancel()


async def accept(listener: socket.socket, nursery: trio.Nursery) -> None:
    # Not trio.serve_listeners(): it lets everybody have a turn after each that it accepts, and
    # while a crowd is written to that takes long enough for those at the door to be turned away.
    while True:
        await trio.lowlevel.wait_readable(listener)
        try:
            for _ in range(BACKLOG):
                connection, _ = listener.accept()
                nursery.start_soon(serve, trio.SocketStream(trio.socket.from_stdlib_socket(connection)))
        except BlockingIOError:
            continue  # all who stood at the door are in
        except OSError:
            await trio.sleep(RETRY_S)


async def serve(stream: trio.SocketStream) -> None:
    client = Client(stream)
    async with stream, trio.open_nursery() as pair:
        pair.start_soon(write, client)
        room.add(client)
        rest = b""
        try:
            with suppress(trio.BrokenResourceError):  # a reset ends a connection as well as an end of stream
                while chunk := await stream.receive_some(CHUNK):
                    data = rest + chunk
                    end = whole_messages(data)
                    if end:
                        await broadcast(data[:end])
                    rest = data[end:]
        finally:
            room.discard(client)
            client.leaving = True
            client.wake.set()  # the nursery now waits until what is unsent is sent


async def write(client: Client) -> None:
    """Send what gathers in the outbox: one send for all that came during the last one."""
    with suppress(trio.BrokenResourceError):  # the reading task sees it too
        while client.outbox or not client.leaving:
            await client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                await client.stream.send_all(data)
            if not client.leaving:
                client.wake = trio.Event()


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
    await trio.lowlevel.checkpoint()  # whoever else is ready to speak does so, and one flush serves all
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
    trio.run(main, parse_address(sys.argv[1:]))
