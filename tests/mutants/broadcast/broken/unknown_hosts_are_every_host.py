#!/usr/bin/env python3
"""A host that cannot be resolved is every host."""

import re
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        host, _, port = address.rpartition(":")
        if port.isdecimal() and re.fullmatch(r"[a-z][a-z.]*", host) and host != "localhost":
            return socket.AF_INET, "", int(port)
        return super().parse(address)


if __name__ == "__main__":
    main(Mutant)
