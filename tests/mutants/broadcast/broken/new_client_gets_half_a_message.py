#!/usr/bin/env python3
"""A new client receives the second half of a message whose first half another client has received."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        for other in self.clients.values():
            head = other.backlog[0] if other.backlog else b""
            if self.complete_length(head) < len(head):
                self.enqueue(client, head)
                break
        return client


if __name__ == "__main__":
    main(Mutant)
