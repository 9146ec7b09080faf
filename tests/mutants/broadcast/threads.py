"""A small correct broadcast server with a thread for each client, whose methods the mutants override.

A thread reads from its client and writes each message to all clients. It holds one lock for that, which makes the
common order. It never waits for a client: a message that the kernel does not accept immediately is dropped. Only the
rest of a partly written message is kept; another thread sends it when the client reads again.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mutants.broadcast.server import PAUSE_S, Client, Server
else:
    from server import PAUSE_S, Client, Server


class Threaded(Server):
    """The room.

    Attributes:
        order_lock: held while a message is written to all clients.
        locks: one for each client, held while a message is written to it.
        remainders: for each client, the unsent rest of a partly written message.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.order_lock = threading.Lock()
        self.locks: dict[Client, threading.Lock] = {}
        self.remainders: dict[Client, bytes] = {}

    def run(self) -> None:
        self.listener.setblocking(True)
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                time.sleep(PAUSE_S)
            else:
                threading.Thread(target=self.serve, args=[self.join(sock)], daemon=True).start()

    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.no_delay)
        client = Client(sock, next(self.numbers))
        self.locks[client], self.remainders[client] = threading.Lock(), b""
        self.clients[client.number] = client
        return client

    def serve(self, client: Client) -> None:
        """Read from a client until it leaves."""
        with contextlib.suppress(OSError):
            while data := client.sock.recv(self.read_bytes):
                self.on_bytes(client, data)
        with contextlib.suppress(OSError):
            client.sock.shutdown(socket.SHUT_RDWR)  # ends the thread that waits for it
        with self.locks[client]:
            del self.clients[client.number], self.locks[client], self.remainders[client]
            self.close(client)

    def fan_out(self, sender: Client, message: bytes) -> None:
        with self.order_lock:
            for client in self.receivers(sender):
                self.enqueue(client, message)

    def enqueue(self, client: Client, message: bytes) -> None:
        # A client that has left, or whose socket buffer is full, does not get the message.
        with contextlib.suppress(KeyError, OSError), self.locks[client]:
            self.write(client, message)

    def write(self, client: Client, message: bytes) -> None:
        """Write as much of a message as the kernel accepts; drop it if the one before it is still incomplete."""
        if rest := self.remainders[client]:
            self.remainders[client] = rest = rest[client.sock.send(rest, socket.MSG_DONTWAIT) :]
        if not rest:
            sent = client.sock.send(message, socket.MSG_DONTWAIT)
            if sent < len(message):
                self.remainders[client] = message[sent:]
                threading.Thread(target=self.send_rest, args=[client], daemon=True).start()

    def send_rest(self, client: Client) -> None:
        """Send the rest of a partly written message, however long the client takes to read."""
        writable = select.poll()
        with contextlib.suppress(KeyError, OSError, ValueError):
            writable.register(client.sock, select.POLLOUT)
            while True:
                writable.poll()
                with self.locks[client], contextlib.suppress(BlockingIOError):
                    if rest := self.remainders[client]:
                        self.remainders[client] = rest[client.sock.send(rest, socket.MSG_DONTWAIT) :]
                    if not self.remainders[client]:
                        return
