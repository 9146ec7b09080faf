#!/usr/bin/env python3
"""Broadcast on processes: workers share the port, the kernel deals out the clients, and their parent makes the order.

Order: a worker hands what its clients have said to the parent, who hands everything to all
workers, one packet after the other: that is the common order. Who comes takes a place in it
too, and hears what stands behind.
A slow client: its transport keeps what could not be sent; while that is more than
LIMIT bytes, the client misses new batches, always as whole messages. Nobody waits.
"""

import asyncio
import ctypes
import os
import re
import select
import signal
import socket
import sys
from contextlib import suppress

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes a read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new
PACKET = 2 * CHUNK  # bytes, and none has as many
PR_SET_PDEATHSIG = 1  # Linux: a signal for when the parent has ended
WORKERS = min(max(2, os.cpu_count() or 1), 8)

# What a worker knows. The parent knows nothing of clients.
link: socket.socket  # to the parent
name: bytes  # of this worker: its packets begin with it
room: set[asyncio.StreamWriter] = set()
coming: list[asyncio.StreamWriter] = []  # those of whom the parent is not told yet,
tick = bytearray()  # and what it is not told yet: whole messages
entering: list[asyncio.StreamWriter] = []  # those of whom it is told
at_rest = asyncio.Event()  # nothing is on its way to the parent and back


def main(address: tuple[str, int]) -> None:
    # Nothing needs saving; the workers see that their parent has gone, and go as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        listeners = share(address)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    links: list[socket.socket] = []
    for index, listener in enumerate(listeners):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        links.append(ours)
        if os.fork() == 0:
            # Who kept one of the parent's ends would hide from the others that the parent has gone.
            for other in {*links, *listeners} - {listener}:
                other.close()
            asyncio.run(work(bytes([index]), theirs, listener))
        theirs.close()
    print(f"listening on {shown}:{listeners[0].getsockname()[1]}", flush=True)
    for listener in listeners:
        listener.close()
    order(links)


def share(address: tuple[str, int]) -> list[socket.socket]:
    """Listen at the address once for each worker."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # The first asks for the address without sharing, or a second room could join this one unnoticed.
    first = socket.create_server(address, family=family, backlog=BACKLOG)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    address = first.getsockname()[:2]
    others = (
        socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True) for _ in range(WORKERS - 1)
    )
    return [first, *others]


def order(links: list[socket.socket]) -> None:
    """Hand every packet to all workers. It may wait for a worker, for no worker ever waits for a client."""
    speaking = select.poll()
    for link in links:
        speaking.register(link, select.POLLIN)
    by_descriptor = {link.fileno(): link for link in links}
    try:
        while True:
            for descriptor, _ in speaking.poll():
                packet = by_descriptor[descriptor].recv(PACKET)
                if not packet:
                    raise ConnectionError
                for link in links:
                    link.send(packet)
    except OSError:
        sys.exit("a worker has died, and its clients with it")


async def work(own_name: bytes, to_parent: socket.socket, listener: socket.socket) -> None:
    global link, name
    link, name = to_parent, own_name
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also for who cannot hear it from the link
    loop = asyncio.get_running_loop()
    loop.add_reader(link, hear)
    # The default handler prints a traceback; running out of descriptors deserves one line.
    loop.set_exception_handler(lambda _, what: print(f"{what['message']}: {what.get('exception')}", file=sys.stderr))
    # Its connections inherit it; asyncio sets it only where the protocol number is spelt out.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at_rest.set()
    await accept(listener)


async def accept(listener: socket.socket) -> None:
    # asyncio's backlog is also its number of accepts a tick, and it makes all of them (and
    # logs each) even after the first has found no descriptor left: hence 1 and a listen().
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    await server.serve_forever()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    coming.append(writer)
    tell()
    rest = b""
    with suppress(OSError):  # a reset ends a connection as well as an end of stream
        while chunk := await reader.read(CHUNK):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]
    # Who hangs up right after speaking still hears it: it is on its way, or waits for what is.
    for _ in range(2):
        await at_rest.wait()
    room.discard(writer)
    writer.close()  # sends what is unsent first


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
    """Put these messages next in what the parent is told; wait while that is too much already."""
    while tick and len(tick) + len(batch) > CHUNK:
        tell()
        await at_rest.wait()
    tick.extend(batch)
    await asyncio.sleep(0)  # whoever else is ready to speak does so, and one packet serves all
    tell()


def tell() -> None:
    """Tell the parent what there is to tell, unless something is on its way: then it is told when that is back."""
    global coming, entering
    if at_rest.is_set() and (tick or coming):
        at_rest.clear()
        coming, entering = [], coming
        with suppress(OSError):  # the parent has gone: it is heard, too
            link.send(name + tick)
        tick.clear()


def hear() -> None:
    """Take the next packet in the common order; with one's own those enter the room who came before it was sent."""
    try:
        packet = link.recv(PACKET)
    except OSError:
        packet = b""
    if not packet:
        os._exit(0)
    if packet.startswith(name):
        room.update(writer for writer in entering if not writer.is_closing())
        at_rest.set()
        tell()
    if len(packet) > len(name):
        batch = packet[len(name) :]
        for writer in room:
            offer(writer, batch)


def offer(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
    if not writer.is_closing() and writer.transport.get_write_buffer_size() <= LIMIT:
        writer.write(batch)  # and no drain(), which would wait for this one client


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
