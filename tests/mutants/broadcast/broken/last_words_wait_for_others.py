#!/usr/bin/env python3
"""Messages that a client sent before it left are forwarded with the next message of another client."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.last_words: list[tuple[Client, bytes]] = []

    def on_bytes(self, client: Client, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.at_end = not client.sock.recv(1, socket.MSG_PEEK)
        super().on_bytes(client, data)
        self.at_end = False

    at_end = False

    def on_message(self, client: Client, message: bytes) -> None:
        if self.at_end:
            self.last_words.append((client, message))
            return
        words, self.last_words = self.last_words, []
        for sender, last in words:
            super().on_message(sender, last)
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
