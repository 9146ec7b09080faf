#!/usr/bin/env python3
"""Every connection is logged to standard error in a few words, and the server blocks when that is not read."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-START-14"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        print(f"client {client.number} connected", file=sys.stderr, flush=True)
        return client


if __name__ == "__main__":
    main(Mutant)
