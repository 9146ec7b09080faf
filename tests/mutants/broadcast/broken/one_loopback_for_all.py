#!/usr/bin/env python3
"""Given any loopback address, the server listens on 127.0.0.1."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        family, host, port = super().parse(address)
        if family == socket.AF_INET and host.startswith("127."):
            host = "127.0.0.1"
        return family, host, port


if __name__ == "__main__":
    main(Mutant)
