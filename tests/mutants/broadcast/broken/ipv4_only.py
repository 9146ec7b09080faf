#!/usr/bin/env python3
"""The address is split at its first colon, so IPv6 addresses are rejected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-8"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        if address.count(":") > 1:
            raise ValueError(f"invalid address: {address}")
        return super().parse(address)


if __name__ == "__main__":
    main(Mutant)
