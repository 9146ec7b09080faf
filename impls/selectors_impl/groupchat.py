#!/usr/bin/env python3
"""A group chat on a selector: one loop asks the kernel which sockets are ready, and runs their callbacks.

Order: one callback puts a message or a notice into the outboxes of all members before another is called;
they are sent when the connections are writable. Replies go the same way.
A slow client: its outbox is sent when the connection is writable again. While it holds more than LIMIT
bytes, the client misses new messages; while replies make it twice as many, its requests wait; and
when notices, which no member may miss, make it three times as many, it is disconnected.
"""

import re
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic

from spec.groupchat.messages import Join, Joined, Left, Refused, Reply, Request, Said, Say, Welcome
from spec.groupchat.serdy import dumps, loads

BACKLOG = 1024
FRAME = 64 * 1024 - 1  # bytes of the longest payload: a length has two bytes
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor is left
LINGER_S = 10.0  # for a client that has left, or whose requests wait, to read what is unsent


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    name: str | None = None  # None until the client has joined; until then it gets no messages
    rest: bytes = b""  # the beginning of an unfinished frame
    outbox: bytearray = field(default_factory=bytearray)
    leaving: bool = False
    events: int = 0  # that the selector watches its connection for


members: dict[str, Client] = {}  # the clients that have joined, by name
selector = selectors.DefaultSelector()  # the data of each socket is its callback
resting: list[socket.socket] = []  # listeners that are not watched until the next turn
lingering: dict[Client, float] = {}  # have left, or are not read; their deadlines, in order


def serve(client: Client, events: int) -> None:
    """Read or write, whatever the connection is ready for."""
    if events & EVENT_WRITE:
        write(client)
    if events & EVENT_READ:
        read(client)


def read(client: Client) -> None:
    try:
        chunk = client.connection.recv(READ)
    except BlockingIOError:
        return
    except OSError:
        chunk = b""  # a reset ends a connection just as an end of stream does
    payloads, client.rest = cut(client.rest + chunk)
    for payload in payloads:
        handle(client, payload)
    if not chunk:
        leave(client)
    watch(client)


def write(client: Client) -> None:
    """Send what the kernel takes of the outbox; the rest is sent when the connection is writable again."""
    try:
        del client.outbox[: client.connection.send(client.outbox)]
    except BlockingIOError:
        pass
    except OSError:
        client.outbox.clear()  # the next read sees the error too, and ends the connection
    watch(client)


def watch(client: Client) -> None:
    """Watch the events that this connection waits for; close it when there are none."""
    # No more requests are read while too many replies to the client are unsent.
    reads = not client.leaving and len(client.outbox) <= 2 * LIMIT
    events = (EVENT_READ if reads else 0) | (EVENT_WRITE if client.outbox else 0)
    if not events:
        lingering.pop(client, None)
        selector.unregister(client.connection)
        client.connection.close()
    elif not client.events:
        selector.register(client.connection, events, partial(serve, client))
    elif events != client.events:
        selector.modify(client.connection, events, partial(serve, client))
        if reads:
            lingering.pop(client, None)
        elif client.events & EVENT_READ:  # one that is no longer read may have left, and may never read
            lingering[client] = monotonic() + LINGER_S
    client.events = events


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of all whole frames, and the unfinished rest."""
    payloads, end = [], 0
    while (begin := end + 2) <= len(data):
        following = begin + int.from_bytes(data[end:begin], "big")
        if following > len(data):
            break
        payloads.append(data[begin:following])
        end = following
    return payloads, data[end:]


def handle(client: Client, payload: bytes) -> None:
    """Carry out the request in a frame, or reply why not."""
    try:
        obey(client, loads(payload, Request))
    except ValueError as error:
        send(client, encode(Refused(str(error))))


def obey(client: Client, request: Join | Say) -> None:
    match request:
        case Join(name) if client.name is None:
            if name in members:
                raise ValueError("this name is taken")
            send(client, encode(Welcome(list(members))))
            announce(Joined(name))
            members[name] = client
            client.name = name
        case Say(text) if client.name is not None:
            delivery = encode(Said(client.name, text))
            for member in members.values():
                offer(member, delivery)
        case Join():
            raise ValueError("you have already joined")
        case Say():
            raise ValueError("join first")


def leave(client: Client) -> None:
    """Forget the client; if it was a member, announce that it has left."""
    if client.name is not None:
        del members[client.name]
        announce(Left(client.name))
    client.leaving = True


def announce(notice: Joined | Left) -> None:
    """Send a notice to all members, and disconnect those too far behind.

    Without the notice, such a member would have a wrong list of members.
    """
    delivery = encode(notice)
    for member in members.values():
        send(member, delivery)
        if len(member.outbox) > 3 * LIMIT:
            with suppress(OSError):
                member.connection.shutdown(socket.SHUT_RDWR)  # the next write fails, and the next read finds the end


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    client.outbox += reply
    watch(client)  # it is sent when the connection is writable


def encode(reply: Reply) -> bytes:
    """Raise ValueError for a reply that does not fit into a frame, as a Welcome with very many names."""
    payload = dumps(reply, Reply)
    if len(payload) > FRAME:
        raise ValueError("the room is full")
    return len(payload).to_bytes(2, "big") + payload


def accept(listener: socket.socket, events: int) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            watch(client)
    except BlockingIOError:
        return  # all waiting connections are accepted
    except OSError:  # no descriptor is left: the listener would stay ready, and the loop would spin
        selector.unregister(listener)
        resting.append(listener)


def give_up() -> float | None:
    """Disconnect the clients whose time is up; return how many seconds the next one has left."""
    while lingering:
        client, deadline = next(iter(lingering.items()))
        wait = deadline - monotonic()
        if wait > 0:
            return wait
        if not client.leaving:  # its requests wait
            leave(client)
        client.outbox.clear()
        watch(client)  # it closes the connection
    return None


def turn() -> None:
    """Run the callbacks of all ready sockets."""
    wait = give_up()
    ready = selector.select(RETRY_S if resting else wait)
    while resting:
        listener = resting.pop()
        selector.register(listener, EVENT_READ, partial(accept, listener))
    for key, events in ready:
        key.data(events)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: groupchat.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
    selector.register(listener, EVENT_READ, partial(accept, listener))
    while True:
        turn()


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
