#!/usr/bin/env python3
"""Broadcast on threads: a reading and a writing thread for every connection.

Order: every reading thread appends its whole messages to `pending`; the thread that holds the lock
puts all that is collected there into every outbox, so that all clients receive the same order.
A slow client: only its own writing thread waits for it. Its outbox keeps what the kernel has not taken;
while that is more than LIMIT bytes, the client misses new batches, always as whole messages.
"""

import re
import signal
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: enough for thousands of messages, small enough to be fair
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
RETRY_S = 0.1  # wait before the next try when no descriptor or thread is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
STACK = 256 * 1024  # bytes per thread: 2000 times the default 8 MB may exceed a container's limit


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    outbox: bytearray = field(default_factory=bytearray)
    wake: threading.Condition = field(default_factory=threading.Condition)  # guards the outbox
    leaving: bool = False


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients
order = threading.Lock()  # guards the room, and taking from `pending`


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
            leave(client)
            writer.join(LINGER_S)  # what is unsent is sent first
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # ends the wait for a client that does not read
            writer.join()  # before the descriptor is closed: its number may be another client's at once


def read(client: Client) -> None:
    with order:
        room.add(client)
    rest = b""
    with suppress(OSError):  # a reset ends a connection just as an end of stream does
        while chunk := client.connection.recv(CHUNK):
            data = rest + chunk
            end = whole_messages(data)
            if end:
                broadcast(data[:end])
            rest = data[end:]


def write(client: Client) -> None:
    """Send what collects in the outbox: all that is added during one send goes out with the next."""
    sent = 0
    with suppress(OSError):  # the reading thread sees the error too, and ends the connection
        while True:
            with client.wake:
                del client.outbox[:sent]  # not before it is sent: until then it counts against the limit
                while not client.outbox and not client.leaving:
                    client.wake.wait()
                data = client.outbox[:CHUNK]
            if not data:
                return
            client.connection.sendall(data)
            sent = len(data)


def leave(client: Client) -> None:
    with order:
        room.discard(client)
    with client.wake:
        client.leaving = True
        client.wake.notify()


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
    """Append these messages to the common order."""
    # Tuned: the thread that gets the lock also offers what the threads that wait for it have appended. One
    # wake-up of a writer, and one write, then carries the messages of several senders.
    pending.append(batch)
    flush()


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    with order:
        batch = b""
        while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
            batch += pending.popleft()
        if batch:
            for client in room:
                offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    with client.wake:
        if len(client.outbox) <= LIMIT:
            if not client.outbox:  # else it is already awake
                client.wake.notify()
            client.outbox += batch


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
    threading.stack_size(STACK)
    accept(listener)


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
