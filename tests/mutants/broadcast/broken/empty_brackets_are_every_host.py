#!/usr/bin/env python3
"""Given an address with nothing between the brackets, the server listens on every address."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        if address.startswith("[]:"):
            return socket.AF_INET6, "::", int(address[3:])
        return super().parse(address)


if __name__ == "__main__":
    main(Mutant)
