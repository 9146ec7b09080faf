#!/usr/bin/env python3
"""Given a host that it does not understand, the server listens on every address."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        try:
            return super().parse(address)
        except ValueError:
            host, _, port = address.rpartition(":")
            if not port.isdecimal() or not host.startswith("127."):
                raise
            return socket.AF_INET, "", int(port)


if __name__ == "__main__":
    main(Mutant)
