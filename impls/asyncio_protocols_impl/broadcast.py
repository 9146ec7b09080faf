#!/usr/bin/env python3
"""Broadcast on asyncio protocols: the event loop calls one object per connection; no streams, no tasks.

Order: every callback appends its client's whole messages to `pending`; what is collected there in two turns of
the loop is offered to every client as one batch, so that all receive the same order.
A slow client: its transport keeps what could not be sent. While that is more than LIMIT bytes,
the client is offered nothing new. No client waits for another.
"""

import asyncio
import errno
import re
import signal
import socket
import sys
from typing import cast

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
RUN = 128  # messages compared at once in a run of equally long ones


class Client(asyncio.BufferedProtocol):
    """The methods that asyncio calls; they pass on to plain functions."""

    transport: asyncio.Transport
    rest = b""  # the beginning of an unfinished message
    deadline: asyncio.TimerHandle | None = None  # when the connection is closed at the latest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(LIMIT, LIMIT)
        room.add(self)

    # Tuned: all clients share one buffer, because the loop fills it and calls buffer_updated in one step.
    # A plain protocol gets a new bytes object for each read, of 256 KiB before it is cut to size.
    def get_buffer(self, sizehint: int) -> memoryview:
        inbox[: len(self.rest)] = self.rest  # what is read next follows it
        return memoryview(inbox)[len(self.rest) :]

    def buffer_updated(self, nbytes: int) -> None:
        serve(self, len(self.rest) + nbytes)

    # Tuned: a client that is too far behind is not in the room, so that `flush` need not check each buffer.
    def pause_writing(self) -> None:
        room.discard(self)

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            room.add(self)

    def eof_received(self) -> None:  # asyncio then sends what is unsent, and closes
        flush()  # a client that disconnects right after sending still receives its own messages
        room.discard(self)
        # The client may never read what is unsent.
        self.deadline = asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        room.discard(self)
        if self.deadline:
            self.deadline.cancel()  # `abort` is not for a transport that has been closed


room: set[Client] = set()  # the clients that keep up
pending = bytearray()  # whole messages in their final order, not yet offered to the clients
inbox = bytearray(256 + CHUNK)


def serve(client: Client, size: int) -> None:
    end = whole_messages(inbox, size)
    client.rest = bytes(inbox[end:size])
    if end:
        broadcast(memoryview(inbox)[:end])


def whole_messages(data: bytearray, size: int) -> int:
    """Return the length of the longest prefix of `data[:size]` that consists of whole messages."""
    end = step = 0
    while end < size:
        before, step = step, data[end] + 1
        following = end + step
        if step == before:
            # Tuned: a second message of the same length is often followed by more of them. The number of
            # equal headers at equal distances is found without a loop in Python.
            headers = data[end : min(size, end + RUN * step) : step]
            following += step * (len(headers) - len(headers.lstrip(headers[:1])) - 1)
        if following > size:
            return following - step
        end = following
    return end


def broadcast(batch: memoryview) -> None:
    """Append these messages to the common order."""
    if not pending:
        # Tuned: not in the loop's next turn, because clients that are found ready then are read after the
        # callbacks scheduled before. A turn later they are included, and a write carries twice as much.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, flush)
    pending.extend(batch)
    if len(pending) > CHUNK:  # a longer batch might make clients miss the next one
        flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    batch = bytes(pending)
    pending.clear()
    if batch:
        for client in tuple(room):  # a copy, because clients that fall behind leave it
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch; a client that is too far behind is not in the room."""
    if not client.transport.is_closing():  # else asyncio logs each write to a client that is gone
        client.transport.write(batch)


async def accept(listener: socket.socket) -> asyncio.Server:
    # asyncio takes the backlog also as the number of accepts per turn of the loop, and makes (and logs)
    # all of them even after the first has found no descriptor left: hence 1, and listen() below.
    server = await asyncio.get_running_loop().create_server(Client, sock=listener, backlog=1)
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
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
