#!/usr/bin/env python3
"""Broadcast on trio: structured concurrency, two tasks and a memory channel for every connection.

Order: the running task puts its messages into the channels of all clients before any other task runs.
A slow client: only its own writing task waits for it. While more than LIMIT bytes for it are unsent,
or its channel is full, it misses new messages, always whole ones.
"""

import logging
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

import trio

LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
ITEMS = 8192  # in a channel: even the shortest takes up memory
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: trio.SocketStream
    outbox: trio.MemorySendChannel[bytes]
    unsent: int = 0  # bytes that the kernel has not taken yet, in the channel or on their way from it


room: set[Client] = set()


async def serve(stream: trio.SocketStream) -> None:
    outbox, waiting = trio.open_memory_channel[bytes](ITEMS)
    client = Client(stream, outbox)
    try:
        async with trio.open_nursery() as pair:
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
                pair.cancel_scope.deadline = trio.current_time() + LINGER_S  # even if the client never reads
    except* trio.BrokenResourceError:
        pass  # a reset, which ends both tasks


async def write(client: Client, waiting: trio.MemoryReceiveChannel[bytes]) -> None:
    """Send what the channel holds: all that is added during one send goes out with the next."""
    async for first in waiting:
        batches = [first]
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                batches.append(waiting.receive_nowait())
        data = b"".join(batches)
        with suppress(trio.BrokenResourceError):  # a reset; what came before it is still read
            await client.stream.send_all(data)
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
    # One entry in each channel for all whole messages of a read: the read has brought them together.
    for client in room:
        offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if client.unsent <= LIMIT:
        with suppress(trio.WouldBlock):  # the channel is full
            client.outbox.send_nowait(batch)
            client.unsent += len(batch)


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
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        while port == 0 and len(listeners) > 1:  # a name with several addresses: each has a port of its own
            await listeners.pop().aclose()
        # While no descriptor is left, serve_listeners logs a traceback ten times a second. If nothing reads standard
        # error, the write would block all tasks.
        logging.getLogger("trio.serve_listeners").disabled = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            print(f"listening on {shown}:{listeners[0].socket.getsockname()[1]}", flush=True)
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, parse_address(sys.argv[1:]))
