#!/usr/bin/env python3
"""Given the name localhost, the server listens on all addresses."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        family, host, port = super().parse(address)
        return (socket.AF_INET, "", port) if address.startswith("localhost:") else (family, host, port)


if __name__ == "__main__":
    main(Mutant)
