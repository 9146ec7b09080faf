#!/usr/bin/env python3
"""Broadcast on asyncio protocols: the event loop calls an object per connection; no streams, no tasks.

Order: every callback appends its client's whole messages to the one `tick`, and what gathered
there in one turn of the loop goes to everybody at once: that is the common order.
A slow client: its transport keeps what could not be sent; while that is more than
LIMIT bytes, the client is not offered anything new. Nobody waits.
"""

import asyncio
import re
import signal
import socket
import sys
from typing import cast

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
RUN = 128  # messages compared at once where several are equally long


class Client(asyncio.BufferedProtocol):
    """The names that asyncio calls; each passes on to the function that does it."""

    transport: asyncio.Transport
    rest = b""  # the beginning of a message of which more must come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(LIMIT, LIMIT)
        room.add(self)

    # Tuned: all read into one buffer, for the loop fills it and tells so in one go. A plain
    # protocol is given new bytes each time, of 256 KiB before they are cut to size.
    def get_buffer(self, sizehint: int) -> memoryview:
        inbox[: len(self.rest)] = self.rest  # and what comes now stands behind it
        return memoryview(inbox)[len(self.rest) :]

    def buffer_updated(self, nbytes: int) -> None:
        serve(self, len(self.rest) + nbytes)

    # Tuned: who is too far behind is not in the room, so nobody has to ask each about its buffer.
    def pause_writing(self) -> None:
        room.discard(self)

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            room.add(self)

    def eof_received(self) -> None:  # after it, asyncio sends what is unsent, and closes
        flush()  # who hangs up right after speaking still hears it
        room.discard(self)

    def connection_lost(self, exc: Exception | None) -> None:
        room.discard(self)


room: set[Client] = set()  # those who keep up
tick = bytearray()  # whole messages in their final order, not yet offered
inbox = bytearray(256 + CHUNK)


async def main(address: tuple[str, int]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    # The default handler prints a traceback; running out of descriptors deserves one line.
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
    await accept(listener)
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    await stopped.wait()


async def accept(listener: socket.socket) -> None:
    # asyncio's backlog is also its number of accepts a tick, and it makes all of them (and
    # logs each) even after the first has found no descriptor left: hence 1 and a listen().
    await asyncio.get_running_loop().create_server(Client, sock=listener, backlog=1)
    listener.listen(BACKLOG)


def serve(client: Client, size: int) -> None:
    end = whole_messages(inbox, size)
    client.rest = bytes(inbox[end:size])
    if end:
        broadcast(memoryview(inbox)[:end])


def whole_messages(data: bytearray, size: int) -> int:
    """The length of the longest prefix of `data[:size]` that consists of whole messages."""
    end = step = 0
    while end < size:
        before, step = step, data[end] + 1
        following = end + step
        if step == before:
            # Tuned: one equally long message is often followed by more, and how many have the same
            # header in the same distance is found without a loop in Python.
            headers = data[end : min(size, end + RUN * step) : step]
            following += step * (len(headers) - len(headers.lstrip(headers[:1])) - 1)
        if following > size:
            return following - step
        end = following
    return end


def broadcast(batch: memoryview) -> None:
    """Put these messages next in the common order."""
    if not tick:
        # Tuned: not in the loop's next turn, for who is found ready then speaks after what was
        # asked for before. In the one after that they are in, and a write takes twice as much.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, flush)
    tick.extend(batch)
    if len(tick) > CHUNK:  # a longer one might leave no room for the next
        flush()


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    batch = bytes(tick)
    tick.clear()
    if batch:
        for client in tuple(room):  # which those leave who fall behind
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch; a client that is too far behind is not in the room."""
    client.transport.write(batch)


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    asyncio.run(main(parse_address(sys.argv[1:])))
