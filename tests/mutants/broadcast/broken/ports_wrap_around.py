#!/usr/bin/env python3
"""A port beyond 65535 is taken modulo 65536."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        host, _, port = address.rpartition(":")
        return super().parse(f"{host}:{int(port) % 65536}" if port.isdecimal() else address)


if __name__ == "__main__":
    main(Mutant)
