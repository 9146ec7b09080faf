#!/usr/bin/env python3
"""Channels on threads: a reading and a writing thread for every connection.

Order: the thread that holds the lock `order` puts a message into the outboxes of all subscribers
before it releases the lock. Replies go the same way.
A slow client: only its own two threads wait for it. While its outbox holds more than LIMIT bytes,
it misses new messages; while replies make it twice as many, its requests wait.
"""

import json
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor or thread is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30.0  # for the kernel to take the next WRITE bytes of a client with too many unsent replies
STACK = 256 * 1024  # bytes per thread: 2000 times the default 8 MB may exceed a container's limit

order = threading.Lock()  # guards channels and outboxes; `serve`, `read` and `write` take it, helpers expect it held


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    channels: set[str] = field(default_factory=set)
    outbox: bytearray = field(default_factory=bytearray)
    wake: threading.Condition = field(default_factory=lambda: threading.Condition(order))
    leaving: bool = False  # nothing more is added to the outbox


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def serve(connection: socket.socket) -> None:
    client = Client(connection)
    writer = threading.Thread(target=write, args=(client,), daemon=True)
    with connection:
        try:
            writer.start()
        except RuntimeError:
            return  # no second thread is available
        try:
            read(client)
        finally:
            with order:
                leave(client)
            writer.join(LINGER_S)  # what is unsent is sent first
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # ends the wait for a client that does not read
            writer.join()  # before the descriptor is closed: its number may be another client's at once


def read(client: Client) -> None:
    rest = b""
    with suppress(OSError):  # a reset, or a TimeoutError, ends a connection just as an end of stream does
        while chunk := client.connection.recv(READ):
            *lines, rest = (rest + chunk).split(b"\n")
            with order:
                for line in lines:
                    handle(client, line)
                    pause(client)
            rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it


def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    data = bytearray()
    with suppress(OSError):  # the reading thread sees the error too, and ends the connection
        while True:
            with order:
                data = take(client, len(data))
            if not data:
                return
            client.connection.sendall(data)
    with order:
        client.leaving = True
        client.wake.notify()  # the reader may be waiting for space


def take(client: Client, sent: int) -> bytearray:
    """Remove what is sent, and wait for more; return nothing when the client has left and all is sent."""
    del client.outbox[:sent]  # not before it is sent: until then it counts against the limit
    client.wake.notify()  # the reader may be waiting for space
    while not client.outbox and not client.leaving:
        client.wake.wait()
    return client.outbox[:WRITE]


def pause(client: Client) -> None:
    """Wait while too many replies to the client are unsent.

    Not for ever, because the end of its stream is not seen meanwhile.
    """
    while len(client.outbox) > 2 * LIMIT and not client.leaving:
        if not client.wake.wait(PAUSE_S):
            raise TimeoutError("the client does not read")


def handle(client: Client, line: bytes) -> None:
    """Carry out the request in a line, or reply why not."""
    try:
        obey(client, decode(line))
    except ValueError as error:
        send(client, encode({"Error": str(error)}))


def obey(client: Client, request: Any) -> None:
    match request:
        case {"Subscribe": str(channel)} if len(request) == 1:
            send(client, encode({"Subscribed": channel}))
            client.channels.add(channel)
            channels.setdefault(channel, set()).add(client)
        case {"Send": {"channel": str(channel), "message": str(message)}} if len(request) == 1:
            delivery = encode({"Message": {"channel": channel, "message": message}})
            if channel not in channels:
                raise ValueError(f"no such channel: {channel}")
            for subscriber in channels[channel]:
                offer(subscriber, delivery)
        case _:
            raise ValueError("no such request")


def leave(client: Client) -> None:
    """Forget the client, and the channels that have no other subscriber."""
    for channel in client.channels:
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]
    client.leaving = True
    client.wake.notify()


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if not client.leaving:
        if not client.outbox:  # else it is already awake
            client.wake.notify()
        client.outbox += reply


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each level of nesting takes up stack, so lines that are nested deeper than any request do not reach json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode(), parse_constant=refuse)


def refuse(constant: str) -> NoReturn:
    """Python takes NaN and Infinity, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


def accept(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            time.sleep(RETRY_S)
            continue
        try:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        except RuntimeError:
            connection.close()
            time.sleep(RETRY_S)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
    threading.stack_size(STACK)
    accept(listener)


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
