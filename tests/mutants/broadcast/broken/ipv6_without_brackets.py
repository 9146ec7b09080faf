#!/usr/bin/env python3
"""An IPv6 address needs no brackets."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        host, _, port = address.rpartition(":")
        is_bare = ":" in host and not set("[]") & set(host)
        return super().parse(f"[{host}]:{port}" if is_bare else address)


if __name__ == "__main__":
    main(Mutant)
