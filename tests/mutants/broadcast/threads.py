"""A small correct server of broadcast with a thread for each client, made to be broken.

A thread reads its client and writes what it said to everybody, under one lock, which makes the
order. It never waits for a client: what the kernel does not take at once is dropped, but for the
rest of a message that has begun, which stands before the next one.
"""

from __future__ import annotations

import contextlib
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
        order: held while a message is written to everybody.
        locks: for each client, held while something is written to it.
        rests: for each client, the rest of the message that it has not taken whole.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.order = threading.Lock()
        self.locks: dict[Client, threading.Lock] = {}
        self.rests: dict[Client, bytes] = {}

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
        self.locks[client], self.rests[client] = threading.Lock(), b""
        self.clients[client.number] = client
        return client

    def serve(self, client: Client) -> None:
        """Read a client until it leaves."""
        with contextlib.suppress(OSError):
            while data := client.sock.recv(self.read_bytes):
                self.on_bytes(client, data)
        with self.locks[client]:
            del self.clients[client.number], self.locks[client], self.rests[client]
            self.close(client)

    def fan_out(self, sender: Client, message: bytes) -> None:
        with self.order:
            for client in self.receivers(sender):
                self.enqueue(client, message)

    def enqueue(self, client: Client, message: bytes) -> None:
        # Whoever has left, or takes nothing now, does not get it.
        with contextlib.suppress(KeyError, OSError), self.locks[client]:
            self.write(client, message)

    def write(self, client: Client, message: bytes) -> None:
        """Write what the kernel takes of a message, or drop it when one before it is not whole."""
        if rest := self.rests[client]:
            self.rests[client] = rest = rest[client.sock.send(rest, socket.MSG_DONTWAIT) :]
        if not rest:
            sent = client.sock.send(message, socket.MSG_DONTWAIT)
            self.rests[client] = message[sent:]
