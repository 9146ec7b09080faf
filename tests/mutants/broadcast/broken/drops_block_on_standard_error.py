#!/usr/bin/env python3
"""Every dropped message is logged to standard error, and the server blocks when nobody reads that."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-START-14"


class Mutant(Server):
    one_by_one = True

    def on_full(self, client: Client, message: bytes) -> None:
        print(f"client {client.number} is too slow, {len(message)} bytes dropped", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Mutant)
