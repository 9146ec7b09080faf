#!/usr/bin/env python3
"""Broadcast on the standard library's socketserver: a ThreadingTCPServer and a StreamRequestHandler.

Order: a handler's thread holds the lock `order` while it puts its message into the queues of all clients, so that
all queues have the messages in the same order.
A slow client: only its own writing thread waits for it. While its queue is full, it misses new messages.
"""

import queue
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

QUEUE = 768  # messages that wait for the writing thread,
BATCH = 256  # and messages that it sends at once: together at most 256 KiB, because a message has at most 256 bytes
END = b""  # what the writing thread gets after the last message; every message has a header
RETRY_S = 0.1  # wait before the next try when no descriptor or thread is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
STACK = 256 * 1024  # bytes per thread: 2000 times the default 8 MB may exceed a container's limit


class Client(StreamRequestHandler):
    """One connection. A thread of its own calls `setup`, `handle` and, even after an error in that, `finish`."""

    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.outbox: queue.Queue[bytes] = queue.Queue(QUEUE)
        self.writer = threading.Thread(target=write, args=(self,), daemon=True)

    def handle(self) -> None:
        try:
            self.writer.start()
        except RuntimeError:
            return  # no second thread is available
        with order:
            room.add(self)
        with suppress(OSError):  # a reset ends a stream, too
            while header := self.rfile.read(1):
                body = self.rfile.read(header[0])
                if len(body) < header[0]:
                    return  # the client has left in the middle of a message
                broadcast(header + body)

    def finish(self) -> None:
        with order:
            room.discard(self)
        if self.writer.is_alive():
            self.linger()
        super().finish()

    def linger(self) -> None:
        """Wait until what is unsent is sent, but not for ever: the client may never read."""
        with suppress(queue.Full):
            self.outbox.put(END, timeout=LINGER_S)
            self.writer.join(LINGER_S)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)  # now a `write` fails, and the queue is emptied
        while self.writer.is_alive():  # its descriptor stays open: the number may be another client's at once
            with suppress(queue.Full):
                self.outbox.put(END, timeout=1)  # the first may have found no room
            self.writer.join(1)


room: set[Client] = set()
order = threading.Lock()  # guards the room, and makes the order


def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    batch: list[bytes] = []
    while END not in batch:
        batch = [client.outbox.get()]
        while len(batch) < BATCH and not client.outbox.empty():
            batch.append(client.outbox.get())
        with suppress(OSError):  # the handler sees the error too, and ends the connection
            client.wfile.write(b"".join(batch))


def broadcast(message: bytes) -> None:
    with order:
        for client in room:
            offer(client, message)


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    with suppress(queue.Full):
        client.outbox.put_nowait(message)


class Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Client)

    def get_request(self) -> tuple[Any, Any]:
        # A departure: when no descriptor is left, `serve_forever` ignores the error, and would try again at once.
        try:
            return super().get_request()
        except OSError:
            time.sleep(RETRY_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        # A departure: when no thread is left, `serve_forever` would print a traceback for each client, and stand still
        # if nobody reads them.
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            self.shutdown_request(request)
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
        server = Server(address)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    print(f"listening on {shown}:{server.server_address[1]}", flush=True)
    threading.stack_size(STACK)
    server.serve_forever()


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
