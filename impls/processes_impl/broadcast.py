#!/usr/bin/env python3
"""Broadcast on processes: workers share the port, the kernel distributes the clients, and the parent makes the order.

Order: a worker sends the messages of its clients to the parent, which sends every packet to all
workers, one after the other: the order of the packets is the common order. A new client has a
place in it too: it receives its worker's next packet, and all that follow.
A slow client: its transport keeps what could not be sent. While that is more than LIMIT bytes,
the client misses new batches, always as whole messages. No client waits for another.
"""

import asyncio
import ctypes
import errno
import os
import re
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PACKET = 2 * CHUNK  # bytes; more than any packet has
PR_SET_PDEATHSIG = 1  # Linux: a signal to get when the parent ends
WORKERS = min(max(2, os.cpu_count() or 1), 8)

# The state of a worker. The parent knows nothing of clients.
link: socket.socket  # to the parent
name: bytes  # of this worker; its packets begin with it
room: set[asyncio.StreamWriter] = set()
pending = bytearray()  # whole messages for the next packet to the parent
coming: list[asyncio.StreamWriter] = []  # clients that enter the room with the next packet
entering: list[asyncio.StreamWriter] = []  # clients that enter when the packet under way is back
at_rest: asyncio.Event  # set while no packet is on its way to the parent and back


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    coming.append(writer)
    forward()
    try:
        await read(reader)
        # A client that disconnects right after sending still receives its own messages: they are in the packet
        # under way, or in the next one.
        for _ in range(2):
            await at_rest.wait()
    finally:
        room.discard(writer)
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Send what is unsent and then close, but do not wait for ever: the client may never read."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), LINGER_S)
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        pass  # it was reset


async def read(reader: asyncio.StreamReader) -> None:
    rest = b""
    with suppress(OSError):  # a reset ends a connection just as an end of stream does
        while chunk := await reader.read(CHUNK):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                await broadcast(data[:end])
            rest = data[end:]


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
    """Append these messages to the next packet; wait while that is too long already."""
    while pending and len(pending) + len(batch) > CHUNK:
        forward()
        await at_rest.wait()
    pending.extend(batch)
    # Tuned: other ready clients append first, so that one packet, and one write for each client, serves all.
    await asyncio.sleep(0)
    forward()


def forward() -> None:
    """Send the next packet to the parent, unless one is under way: then `receive` sends it when that one is back."""
    # Tuned: one packet at a time. The more there is to do, the more a packet carries.
    global coming, entering
    if at_rest.is_set() and (pending or coming):
        at_rest.clear()
        coming, entering = [], coming
        try:
            link.send(name + pending)
        except OSError:  # the parent has ended, or takes no such packet, and the worker would wait for it for ever
            os._exit(1)
        pending.clear()


def receive() -> None:
    """Take the next packet in the common order; if it is our own, the clients that came before it enter the room."""
    try:
        packet = link.recv(PACKET)
    except OSError:
        packet = b""
    if not packet:  # the parent has ended
        os._exit(0)
    if packet.startswith(name):
        room.update(writer for writer in entering if not writer.is_closing())
        at_rest.set()
        forward()
    if len(packet) > len(name):
        batch = packet[len(name) :]
        for writer in room:
            offer(writer, batch)


def offer(writer: asyncio.StreamWriter, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if not writer.is_closing() and writer.transport.get_write_buffer_size() <= LIMIT:
        writer.write(batch)  # no drain(): it would wait for this one client


async def accept(listener: socket.socket) -> None:
    # asyncio takes the backlog also as the number of accepts per turn of the loop, and makes (and logs)
    # all of them even after the first has found no descriptor left: hence 1, and listen() below.
    server = await asyncio.start_server(serve, sock=listener, backlog=1)
    listener.listen(BACKLOG)
    await server.serve_forever()


def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A lack of descriptors is not printed: if nobody reads stderr, this worker would wait, and all others for it.
    lacking = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # asyncio rests for a second, and tries again
    if getattr(context.get("exception"), "errno", None) not in lacking:
        loop.default_exception_handler(context)


async def work(own_name: bytes, to_parent: socket.socket, listener: socket.socket) -> None:
    global link, name, at_rest
    link, name, at_rest = to_parent, own_name, asyncio.Event()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also if this worker does not get to read the link
    loop = asyncio.get_running_loop()
    loop.add_reader(link, receive)
    loop.set_exception_handler(report)
    # Accepted connections inherit it. asyncio sets it only if a socket's protocol number is IPPROTO_TCP; here it is 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at_rest.set()
    await accept(listener)


def start(own_name: bytes, to_parent: socket.socket, listener: socket.socket) -> NoReturn:
    """Run a worker; it must never return to what its parent does after the fork."""
    try:
        asyncio.run(work(own_name, to_parent, listener))
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def order(links: list[socket.socket]) -> None:
    """Send every packet to all workers. This may wait for a worker, because no worker ever waits for a client."""
    poll = select.poll()
    for link in links:
        poll.register(link, select.POLLIN)
    by_descriptor = {link.fileno(): link for link in links}
    try:
        while True:
            for descriptor, _ in poll.poll():
                packet = by_descriptor[descriptor].recv(PACKET)
                if not packet:
                    raise ConnectionError
                for link in links:
                    link.send(packet)
    except OSError:
        sys.exit("a worker has died, and its clients are disconnected")


def share(address: tuple[str, int]) -> list[socket.socket]:
    """Return a listener at the address for each worker."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # The first binds without sharing: else a second server at this address would take clients unnoticed.
    first = socket.create_server(address, family=family, backlog=BACKLOG)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    address = first.getsockname()[:2]
    others = (
        socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True) for _ in range(WORKERS - 1)
    )
    return [first, *others]


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


def main(address: tuple[str, int]) -> None:
    # Like SIGTERM: ends the process at once. Nothing needs saving, and the kernel ends the workers with their parent.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
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
            # A worker that kept one of the parent's ends would hide the end of the parent from the others.
            for other in {*links, *listeners} - {listener}:
                other.close()
            start(bytes([index]), theirs, listener)
        theirs.close()
    print(f"listening on {shown}:{listeners[0].getsockname()[1]}", flush=True)
    for listener in listeners:
        listener.close()
    order(links)


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
