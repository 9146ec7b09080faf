#!/usr/bin/env python3
"""Broadcast on trio: structured concurrency, two tasks for every connection.

Order: every reading task appends its whole messages to `pending`; what is collected there in one turn of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: only its own writing task waits for it. While its outbox holds more than LIMIT bytes,
the client misses new batches, always as whole messages.
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
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: trio.SocketStream
    outbox: bytearray = field(default_factory=bytearray)
    wake: trio.Event = field(default_factory=trio.Event)  # set when there is something to send, or when leaving
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


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
    # Not trio.serve_listeners(): it lets all other tasks run after each accept. While they write to
    # many clients, that takes so long that waiting connections are turned away.
    while True:
        await trio.lowlevel.wait_readable(listener)
        try:
            for _ in range(BACKLOG):
                connection, _ = listener.accept()
                nursery.start_soon(serve, trio.SocketStream(trio.socket.from_stdlib_socket(connection)))
        except BlockingIOError:
            continue  # all waiting connections are accepted
        except OSError:
            await trio.sleep(RETRY_S)


async def serve(stream: trio.SocketStream) -> None:
    client = Client(stream)
    async with stream, trio.open_nursery() as pair:
        pair.start_soon(write, client)
        room.add(client)
        rest = b""
        try:
            with suppress(trio.BrokenResourceError):  # a reset ends a connection just as an end of stream does
                while chunk := await stream.receive_some(CHUNK):
                    data = rest + chunk
                    end = whole_messages(data)
                    if end:
                        await broadcast(data[:end])
                    rest = data[end:]
        finally:
            room.discard(client)
            client.leaving = True
            client.wake.set()  # the nursery now waits until the outbox is sent
            pair.cancel_scope.deadline = trio.current_time() + LINGER_S  # but not for ever


async def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    with suppress(trio.BrokenResourceError):  # the reading task sees the error too
        while client.outbox or not client.leaving:
            await client.wake.wait()
            while client.outbox:
                data = bytes(client.outbox)
                client.outbox.clear()
                await client.stream.send_all(data)
            if not client.leaving:
                client.wake = trio.Event()


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


async def broadcast(batch: bytes) -> None:
    """Append these messages to the common order."""
    pending.append(batch)
    await trio.lowlevel.checkpoint()  # other ready clients append first, so that one flush serves all
    flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    batch = b""
    while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
        batch += pending.popleft()
    if batch:
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
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
