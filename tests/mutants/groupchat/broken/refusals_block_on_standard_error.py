#!/usr/bin/env python3
"""Each refusal is logged to standard error, and the server blocks when nobody reads that."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-START-14"


class Mutant(Server):
    def refuse(self, client: Client, reason: str) -> None:
        print(f"client {client.number}: {reason}", file=sys.stderr, flush=True)
        super().refuse(client, reason)


if __name__ == "__main__":
    main(Mutant)
