#!/usr/bin/env python3
"""The server waits until a client has taken its output, and serves no other client meanwhile."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-1"


class Mutant(Server):
    def send(self, client: Client, chunks: list[bytes]) -> int:
        client.sock.setblocking(True)
        try:
            client.sock.sendall(b"".join(chunks))
        finally:
            client.sock.setblocking(False)
        return sum(map(len, chunks))


if __name__ == "__main__":
    main(Mutant)
