#!/usr/bin/env python3
"""Brackets are removed from the host, whether or not they are in pairs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        return super().parse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


if __name__ == "__main__":
    main(Mutant)
