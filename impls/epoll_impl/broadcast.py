#!/usr/bin/env python3
"""Broadcast on epoll: the event loop of c_epoll, written in Python; each optimisation is marked "Tuned".

Order: a turn of the loop reads from every client that has sent something; at its end the whole
messages collected in `pending` go to all clients as one batch, with one send each. The position
of a message in that batch is its place in the common order.
A slow client: what the kernel does not take is kept in its outbox. While that holds more than LIMIT
bytes, the client misses new batches, always as whole messages. No client waits for another.
"""

import re
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from itertools import repeat
from select import EPOLLIN, EPOLLOUT
from time import monotonic

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read; when more than this is pending, it is sent before the next read
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
MESSAGE = 256  # bytes of the longest message, including its header
RUN = 256  # messages checked in one step if all are equally long;
STRIDE = 2048  # if not, bytes walked message by message before the next such check
RETRY_S = 0.1  # how long to ignore the listener when no descriptor is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent


@dataclass(eq=False, slots=True)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    rest: bytes = b""  # the beginning of an unfinished message
    outbox: bytearray = field(default_factory=bytearray)  # what the kernel did not take
    leaving: bool = False


clients: dict[int, Client] = {}  # by descriptor
# Tuned: clients with nothing unsent are kept apart, so that a broadcast hands all of them to `map`
# without checking any; a client that is behind costs a check of its outbox and no system call.
keeping_up: dict[Client, socket.socket] = {}
behind: set[Client] = set()
lingering: dict[Client, float] = {}  # have left, with something unsent; their deadlines, in order
pending: list[bytes] = []  # batches of whole messages in their final order, not yet offered to the clients
pending_size = 0  # bytes of these batches
RUNS = [bytes([header]) * RUN for header in range(MESSAGE)]
epoll = select.epoll()
resting: list[socket.socket] = []  # listeners that are not watched until the next turn


def serve(client: Client) -> None:
    global pending_size
    if client.leaving:  # it no longer waits for input, so this is a reset
        return close(client)
    if pending_size > CHUNK:
        broadcast()
    try:
        data = client.connection.recv(CHUNK)
    except BlockingIOError:
        return
    except OSError:
        data = b""  # a reset ends a connection just as an end of stream does
    if not data:
        return leave(client)
    # Tuned: usually a client has sent whole messages only. Then `pending` gets what was read as it is,
    # without slicing or copying.
    if client.rest:
        data, client.rest = client.rest + data, b""
    end = whole_messages(data)
    if end < len(data):
        data, client.rest = data[:end], data[end:]
    pending.append(data)
    pending_size += end


def leave(client: Client) -> None:
    broadcast()  # a client that disconnects right after sending still receives its own messages
    client.leaving = True
    keeping_up.pop(client, None)
    behind.discard(client)
    if client.outbox:
        lingering[client] = monotonic() + LINGER_S  # it may never read
        epoll.modify(client.connection, EPOLLOUT)
    else:
        close(client)


def close(client: Client) -> None:
    clients.pop(client.connection.fileno(), None)
    lingering.pop(client, None)
    client.connection.close()


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when the connection is writable again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        return
    except OSError:
        client.outbox.clear()  # the next read sees the error too, and ends the connection
    if client.outbox:
        return
    if client.leaving:
        return close(client)
    behind.discard(client)
    keeping_up[client] = client.connection
    epoll.modify(client.connection, EPOLLIN)


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    far = size - MESSAGE
    # Tuned: a message that begins this far from the end is whole, and needs no comparison.
    while end < far:
        # Tuned: a message is often followed by others of equal length. Whether the same header repeats
        # at the same distance takes one slice and one comparison, and no loop in Python.
        step = data[end] + 1
        headers = data[end : end + RUN * step : step]
        if RUNS[step - 1].startswith(headers):
            end += (len(headers) - 1) * step
        else:
            stop = min(far, end + STRIDE)
            while end < stop:
                end += data[end] + 1
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast() -> None:
    """Send everything pending as one batch: one send per client, however many clients have sent."""
    global pending_size
    batch, size = b"".join(pending), pending_size
    pending.clear()
    pending_size = 0
    if not size:
        return
    for client in behind:
        offer(client, batch)
    # Tuned: `map` and `extend` go from one client to the next without a line of Python between two
    # sends. When a send raises, the list has all results before it, and `map` continues after it: so CPython does it.
    sent: list[int] = []
    sends = map(socket.socket.send, keeping_up.values(), repeat(batch))
    while len(sent) < len(keeping_up):
        try:
            sent.extend(sends)
        except BlockingIOError:
            sent.append(0)
        except OSError:
            sent.append(size)  # as if sent: the next read sees the error too, and ends the connection
    if sent.count(size) < len(sent):
        for client, count in zip(tuple(keeping_up), sent, strict=True):
            if count < size:
                keep(client, batch[count:])


def keep(client: Client, unsent: bytes) -> None:
    """Keep what the kernel did not take until epoll reports that the connection is writable again."""
    client.outbox += unsent
    del keeping_up[client]
    behind.add(client)
    epoll.modify(client.connection, EPOLLIN | EPOLLOUT)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch


def accept(listener: socket.socket) -> None:
    try:
        for _ in range(BACKLOG):
            connection, _ = listener.accept()
            connection.setblocking(False)
            epoll.register(connection, EPOLLIN)
            client = Client(connection)
            clients[connection.fileno()] = client
            keeping_up[client] = connection
    except BlockingIOError:
        return  # all waiting connections are accepted
    except OSError:  # no descriptor is left: the listener would stay ready, and the loop would spin
        epoll.unregister(listener)
        resting.append(listener)


def give_up() -> float | None:
    """Disconnect the clients whose time is up; return how many seconds the next one has left."""
    while lingering:
        client, deadline = next(iter(lingering.items()))
        wait = deadline - monotonic()
        if wait > 0:
            return wait
        close(client)
    return None


def turn(listener: socket.socket) -> None:
    """Serve all ready clients, then broadcast what they have sent."""
    wait = give_up()
    ready = epoll.poll(RETRY_S if resting else wait)
    while resting:
        epoll.register(resting.pop(), EPOLLIN)
    serve_all(ready, listener)
    # Tuned: clients that have become ready meanwhile are served in this turn too. Otherwise the senders
    # may split into two halves that alternate for ever, and each send carries half as much.
    serve_all(epoll.poll(0), listener)
    broadcast()


def serve_all(ready: list[tuple[int, int]], listener: socket.socket) -> None:
    for descriptor, events in ready:
        client = clients.get(descriptor)
        if client is None:
            accept(listener)
            continue
        if events & EPOLLOUT:
            write(client)
        if events & ~EPOLLOUT:
            serve(client)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


def main(address: tuple[str, int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like SIGTERM: ends the process at once, and nothing needs saving
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    listener.setblocking(False)
    epoll.register(listener, EPOLLIN)
    while True:
        turn(listener)


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
