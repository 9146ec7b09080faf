#!/usr/bin/env python3
"""A small correct server of broadcast, made to be broken: a mutant overrides a method or two.

One thread, one selector. What arrives in a turn is queued for every client in one common order
and written at the turn's end. A client that does not read loses whole messages while 256 KiB wait
for it.
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
PAUSE_S = 0.05  # without a free descriptor, before the next accept
OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Client:
    """One connection: what it has not finished saying, and what it has not taken yet."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number  # counted from 0 in the order of joining, never used again
        self.since = time.monotonic()
        self.inbox = bytearray()
        self.backlog: deque[bytes] = deque()  # whole messages; only the head may have begun
        self.size = 0  # bytes in the backlog
        self.reading = True
        self.events = 0


class Server:
    """The room. Every method is a hook."""

    read_bytes = READ_BYTES
    one_by_one = False  # whether on_message gets single messages or all that are there
    reuse_address = True
    no_delay = True
    lifetime_s = 3600  # a mutant that cannot be ended ends by itself

    def __init__(self, address: str) -> None:
        self.address = address
        self.family, self.host, self.port = self.parse(address)
        self.selector = selectors.DefaultSelector()
        self.clients: dict[int, Client] = {}
        self.numbers = count()
        self.dirty: set[Client] = set()  # who has something to be written at the turn's end
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.timer_numbers = count()

    # Start and end

    @classmethod
    def choose(cls, arguments: list[str]) -> str:
        """Return the address among the arguments of the command line."""
        if len(arguments) != 1:
            raise ValueError("usage: server ADDRESS")
        return arguments[0]

    def parse(self, address: str) -> tuple[int, str, int]:
        """Return the address family, the host and the port that HOST:PORT or [HOST]:PORT names."""
        found = re.fullmatch(r"(?:\[([^]]+)]|([^:]+)):([0-9]{1,5})", address)
        if not found or int(found[3]) > 65535:
            raise ValueError(f"not an address (HOST:PORT or [HOST]:PORT): {address}")
        host = found[1] or found[2].replace("localhost", "127.0.0.1")
        version = ipaddress.ip_address(host).version
        return (socket.AF_INET6 if version == 6 else socket.AF_INET), host, int(found[3])

    def start(self) -> None:
        """Do everything up to the ready line; raise OSError if the address cannot be had."""
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
        """Return the line with the address as given; for port 0 with the real port."""
        host = self.address.rpartition(":")[0]
        port = self.port or self.listener.getsockname()[1]
        return f"listening on {host}:{port}"

    def end(self, *_: object) -> None:
        """End at once, in the signal handler; the kernel closes everything."""
        os._exit(0)

    # Time

    def run(self) -> None:
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait; let those speak who have something to say, once each; then write."""
        for key, events in self.selector.select(self.patience()):
            client: Client | None = key.data
            if client is None:
                self.accept()
            elif self.is_here(client):
                if events & EVENT_WRITE:
                    self.dirty.add(client)
                if events & EVENT_READ:
                    self.read(client)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        while self.dirty:
            self.flush(self.dirty.pop())

    def patience(self) -> float | None:
        """Return how long the selector may wait."""
        return max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in some seconds; of two for the same time the first asked for is first."""
        due = time.monotonic() + seconds
        heapq.heappush(self.timers, (due, next(self.timer_numbers), action))

    # Coming and going

    def accept(self) -> None:
        while self.accept_one():
            pass

    def accept_one(self) -> bool:
        """Let one client in and return whether there may be more."""
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in OUT_OF:
                self.out_of_descriptors()
                return False
            return True  # that one has gone already
        self.join(sock)
        return True

    def out_of_descriptors(self) -> None:
        self.pause_accepting(PAUSE_S)

    def pause_accepting(self, seconds: float) -> None:
        self.selector.unregister(self.listener)
        self.later(seconds, lambda: void(self.selector.register(self.listener, EVENT_READ)))

    def join(self, sock: socket.socket) -> Client:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.no_delay)
        client = Client(sock, next(self.numbers))
        self.clients[client.number] = client
        self.watch(client)
        return client

    def is_here(self, client: Client) -> bool:
        return client.number in self.clients

    def leave(self, client: Client) -> None:
        """Forget a client and all it had; nothing happens to one that left already."""
        if self.clients.pop(client.number, None) is None:
            return
        if client.events:
            self.selector.unregister(client.sock)
        self.dirty.discard(client)
        self.close(client)

    def close(self, client: Client) -> None:
        client.sock.close()

    def watch(self, client: Client) -> None:
        """Tell the selector what to look for."""
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

    # What comes in

    def read(self, client: Client) -> None:
        """Read once, not until there is nothing more: the others want to be heard too."""
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
        """Do what is to be done at a client's end of stream."""
        self.leave(client)

    def on_error(self, client: Client, error: OSError) -> None:
        """Do what is to be done when reading from or writing to a client failed."""
        self.leave(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        end = self.end_of_whole(client.inbox)
        if end:
            whole = bytes(client.inbox[:end])
            del client.inbox[:end]
            for message in self.messages(whole):
                self.on_message(client, message)

    def end_of_whole(self, data: bytes | bytearray) -> int:
        """Return how long the longest prefix of whole messages is."""
        end, size = 0, len(data)
        while end < size and end + data[end] < size:
            end += 1 + data[end]
        return end

    def messages(self, whole: bytes) -> list[bytes]:
        """Return whole messages one by one, or all of them as one string."""
        if not self.one_by_one:
            return [whole]
        found = []
        start = 0
        while start < len(whole):
            end = start + 1 + whole[start]
            found.append(whole[start:end])
            start = end
        return found

    def on_message(self, client: Client, message: bytes) -> None:
        self.fan_out(client, message)

    # What goes out

    def fan_out(self, sender: Client, message: bytes) -> None:
        for client in self.receivers(sender):
            self.enqueue(client, message)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(self.clients.values())

    def enqueue(self, client: Client, message: bytes) -> None:
        """Put a message at the end of a client's backlog, or drop it when there is no room."""
        if self.is_full(client, message):
            self.flush(client)
        if self.is_full(client, message):
            self.on_full(client, message)
        else:
            self.append(client, message)

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.size + len(message) > BACKLOG_BYTES or len(client.backlog) >= BACKLOG_CHUNKS

    def on_full(self, client: Client, message: bytes) -> None:
        """Do what is to be done with a message for which a client has no room: nothing."""

    def append(self, client: Client, message: bytes) -> None:
        client.backlog.append(message)
        client.size += len(message)
        self.dirty.add(client)

    def flush(self, client: Client) -> None:
        """Write what the kernel takes."""
        if not self.is_here(client):
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
        client.size -= sent
        while client.backlog and sent >= len(client.backlog[0]):
            sent -= len(client.backlog.popleft())
        if sent:
            client.backlog[0] = client.backlog[0][sent:]
        self.watch(client)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        """Write the beginning of the chunks and return how many bytes the kernel took."""
        return client.sock.sendmsg(chunks)


class Ticking(Server):
    """A server that collects messages and forwards them `tick_s` after the first of them."""

    tick_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.collected: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        if not self.collected:
            self.later(self.tick_s, self.tick)
        self.collected.append((sender, message))

    def tick(self) -> None:
        collected, self.collected = self.collected, []
        self.release(collected)

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        """Forward what was collected."""
        for sender, message in collected:
            super().fan_out(sender, message)


class Forking(Server):
    """A server that has a child, in a session of its own, which ignores SIGTERM."""

    def start(self) -> None:
        self.fork()
        super().start()

    def fork(self) -> None:
        """Fork twice, so that init or a subreaper is the parent of what remains."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.live_as_child()
        os._exit(0)

    def live_as_child(self) -> None:
        """Do what the child does until it ends."""


def void(_: object) -> None:
    """Forget a result."""


def main(kind: type[Server] = Server) -> None:
    """Serve on the address that the command line names."""
    try:
        server = kind(kind.choose(sys.argv[1:]))
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
