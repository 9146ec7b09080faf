#!/usr/bin/env python3
"""A small correct broadcast server whose methods the mutants override, one or two each.

It has one thread and one selector. The messages that arrive in one turn of the loop are queued for every client in
one common order, and written at the end of the turn. A client that does not read loses whole messages while 256 KiB
are queued for it.
"""

from __future__ import annotations

import errno
import heapq
import ipaddress
import os
import re
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count, islice
from selectors import EVENT_READ, EVENT_WRITE

READ_BYTES = 64 * 1024
BACKLOG_BYTES = 256 * 1024
BACKLOG_CHUNKS = 4096
WRITE_CHUNKS = 1024
PAUSE_S = 0.05  # before the next accept when no descriptor is free
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Client:
    """One connection, with its unfinished input and its unsent output."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number  # from 0 in the order of connecting; never reused
        self.connected_at = time.monotonic()
        self.inbox = bytearray()
        self.backlog: deque[bytes] = deque()  # whole messages; only the first may be partly sent
        self.backlog_bytes = 0
        self.reading = True
        self.events = 0


class Server:
    """The room; every method may be overridden."""

    read_bytes = READ_BYTES
    one_by_one = False  # whether on_message gets single messages or all complete ones at once
    reuse_address = True
    no_delay = True
    lifetime_s = 3600  # a mutant that cannot be stopped ends by itself

    def __init__(self, address: str) -> None:
        self.address = address
        self.family, self.host, self.port = self.parse(address)
        self.selector = selectors.DefaultSelector()
        self.clients: dict[int, Client] = {}
        self.numbers = count()
        self.dirty: set[Client] = set()  # have output to be written at the end of the turn
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.timer_numbers = count()

    # Start and end

    @classmethod
    def address_from(cls, arguments: list[str]) -> str:
        """Return the address given on the command line."""
        if len(arguments) != 1:
            raise ValueError("usage: server ADDRESS")
        return arguments[0]

    def parse(self, address: str) -> tuple[int, str, int]:
        """Return the address family, host and port of HOST:PORT or [HOST]:PORT."""
        match = re.fullmatch(r"(?:\[([^]]+)]|([^:]+)):([0-9]{1,5})", address)
        if not match or int(match[3]) > 65535:
            raise ValueError(f"not an address (HOST:PORT or [HOST]:PORT): {address}")
        host = match[1] or match[2].replace("localhost", "127.0.0.1")
        version = ipaddress.ip_address(host).version
        if match[1] and version == 4:
            raise ValueError(f"an IPv4 address in brackets: {address}")
        return (socket.AF_INET6 if version == 6 else socket.AF_INET), host, int(match[3])

    def start(self) -> None:
        """Do everything up to and including the ready line; raise OSError if the address is not available."""
        self.handle_signals()
        self.bind()
        self.listen()
        self.announce()

    def handle_signals(self) -> None:
        signal.alarm(self.lifetime_s)
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGINT, self.end)

    def bind(self) -> None:
        self.listener = socket.socket(self.family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, self.reuse_address)
        self.listener.bind((self.host, self.port))

    def listen(self) -> None:
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.selector.register(self.listener, EVENT_READ)

    def announce(self) -> None:
        print(self.ready_line(), flush=True)

    def ready_line(self) -> str:
        """Return the ready line: the address as given, but with the real port in place of 0."""
        host = self.address.rpartition(":")[0]
        port = self.port or self.listener.getsockname()[1]
        return f"listening on {host}:{port}"

    def end(self, *_: object) -> None:
        """Exit immediately, in the signal handler; the kernel closes all sockets."""
        os._exit(0)

    # The loop

    def run(self) -> None:
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait for events; read once from each readable client, run due timers, then write."""
        for key, events in self.selector.select(self.select_timeout()):
            client: Client | None = key.data
            if client is None:
                self.accept()
            elif self.is_connected(client):
                if events & EVENT_WRITE:
                    self.dirty.add(client)
                if events & EVENT_READ:
                    self.read(client)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        while self.dirty:
            self.flush(self.dirty.pop())

    def select_timeout(self) -> float | None:
        """Return how many seconds the selector may wait; None for no limit."""
        return max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action in so many seconds; actions due at the same time run in the order of scheduling."""
        due = time.monotonic() + seconds
        heapq.heappush(self.timers, (due, next(self.timer_numbers), action))

    # Connections

    def accept(self) -> None:
        while self.accept_one():
            pass

    def accept_one(self) -> bool:
        """Accept one client and return whether more may be waiting."""
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in OUT_OF_RESOURCES:
                self.out_of_descriptors()
                return False
            return True  # the client has gone already
        self.join(sock)
        return True

    def out_of_descriptors(self) -> None:
        self.pause_accepting(PAUSE_S)

    def pause_accepting(self, seconds: float) -> None:
        self.selector.unregister(self.listener)
        self.call_later(seconds, self.resume_accepting)

    def resume_accepting(self) -> None:
        self.selector.register(self.listener, EVENT_READ)

    def join(self, sock: socket.socket) -> Client:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.no_delay)
        client = Client(sock, next(self.numbers))
        self.clients[client.number] = client
        self.watch(client)
        return client

    def is_connected(self, client: Client) -> bool:
        return client.number in self.clients

    def disconnect(self, client: Client) -> None:
        """Remove a client and everything held for it; do nothing if it has been removed already."""
        if self.clients.pop(client.number, None) is None:
            return
        if client.events:
            self.selector.unregister(client.sock)
        self.dirty.discard(client)
        self.close(client)

    def close(self, client: Client) -> None:
        client.sock.close()

    def watch(self, client: Client) -> None:
        """Register with the selector the events that this client needs."""
        events = client.reading * EVENT_READ | bool(client.backlog) * EVENT_WRITE
        if events == client.events:
            return
        if not events:
            self.selector.unregister(client.sock)
        elif client.events:
            self.selector.modify(client.sock, events, client)
        else:
            self.selector.register(client.sock, events, client)
        client.events = events

    # Input

    def read(self, client: Client) -> None:
        """Read once, not until the socket is empty, so that other clients get their turn."""
        try:
            data = client.sock.recv(self.read_bytes)
        except BlockingIOError:
            return
        except OSError as error:
            self.on_error(client, error)
            return
        if data:
            self.on_bytes(client, data)
        else:
            self.on_end(client)

    def on_end(self, client: Client) -> None:
        """Handle the end of a client's stream."""
        self.disconnect(client)

    def on_error(self, client: Client, error: OSError) -> None:
        """Handle a failed read from or write to a client."""
        self.disconnect(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        end = self.complete_length(client.inbox)
        if end:
            complete = bytes(client.inbox[:end])
            del client.inbox[:end]
            for message in self.messages(complete):
                self.on_message(client, message)

    def complete_length(self, data: bytes | bytearray) -> int:
        """Return the length of the longest prefix that consists of complete messages."""
        end, size = 0, len(data)
        while end < size and end + data[end] < size:
            end += 1 + data[end]
        return end

    def messages(self, complete: bytes) -> list[bytes]:
        """Split complete messages, or return all of them as one item unless `one_by_one`."""
        if not self.one_by_one:
            return [complete]
        messages = []
        start = 0
        while start < len(complete):
            end = start + 1 + complete[start]
            messages.append(complete[start:end])
            start = end
        return messages

    def on_message(self, client: Client, message: bytes) -> None:
        self.fan_out(client, message)

    # Output

    def fan_out(self, sender: Client, message: bytes) -> None:
        for client in self.receivers(sender):
            self.enqueue(client, message)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(self.clients.values())

    def enqueue(self, client: Client, message: bytes) -> None:
        """Append a message to a client's backlog, or drop it if the backlog is full."""
        if self.is_full(client, message):
            self.flush(client)
        if self.is_full(client, message):
            self.on_full(client, message)
        else:
            self.append(client, message)

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes + len(message) > BACKLOG_BYTES or len(client.backlog) >= BACKLOG_CHUNKS

    def on_full(self, client: Client, message: bytes) -> None:
        """Handle a message that does not fit into a client's backlog: drop it."""

    def append(self, client: Client, message: bytes) -> None:
        client.backlog.append(message)
        client.backlog_bytes += len(message)
        self.dirty.add(client)

    def flush(self, client: Client) -> None:
        """Write as much of a client's backlog as the kernel accepts."""
        if not self.is_connected(client):
            return
        sent = 0
        try:
            if client.backlog:
                sent = self.send(client, list(islice(client.backlog, WRITE_CHUNKS)))
        except BlockingIOError:
            pass
        except OSError as error:
            self.on_error(client, error)
            return
        client.backlog_bytes -= sent
        while client.backlog and sent >= len(client.backlog[0]):
            sent -= len(client.backlog.popleft())
        if sent:
            client.backlog[0] = client.backlog[0][sent:]
        self.watch(client)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        """Write the first bytes of the chunks and return how many the kernel accepted."""
        return client.sock.sendmsg(chunks)


class Batching(Server):
    """A server that collects messages and forwards them `batch_s` after the first of them arrived."""

    batch_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.pending: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        if not self.pending:
            self.call_later(self.batch_s, self.forward_pending)
        self.pending.append((sender, message))

    def forward_pending(self) -> None:
        pending, self.pending = self.pending, []
        self.release(pending)

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        """Forward the collected messages."""
        for sender, message in pending:
            super().fan_out(sender, message)


class Draining(Server):
    """A server at which a client that has closed its sending side has `drain_s` to read its backlog."""

    drain_s = 10

    def on_end(self, client: Client) -> None:
        self.flush(client)  # only what the kernel does not take is a backlog
        if not self.is_connected(client):
            return
        if not client.backlog:
            super().on_end(client)
            return
        client.reading = False
        self.watch(client)
        self.call_later(self.drain_s, lambda: self.disconnect(client))

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(client for client in self.clients.values() if client.reading)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if self.is_connected(client) and not client.reading and not client.backlog:
            self.on_drained(client)

    def on_drained(self, client: Client) -> None:
        """Handle the end of a backlog after the client's FIN."""
        self.disconnect(client)


class Forking(Server):
    """A server with a child process in its own session that ignores SIGTERM."""

    def start(self) -> None:
        self.fork()
        super().start()

    def fork(self) -> None:
        """Fork twice, so that the child is reparented to init or a subreaper."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.run_child()
        os._exit(0)

    def run_child(self) -> None:
        """Run in the child until it ends."""


def main(kind: type[Server] = Server) -> None:
    """Serve on the address given on the command line."""
    try:
        server = kind(kind.address_from(sys.argv[1:]))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    try:
        server.start()
    except OSError as error:
        print(f"{server.address}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    server.run()


if __name__ == "__main__":
    main()
