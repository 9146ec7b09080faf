#!/usr/bin/env python3
"""Errors and slow clients are reported on standard output."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-START-4"


class Mutant(Server):
    def on_error(self, client: Client, error: OSError) -> None:
        print(f"client {client.number}: {error.strerror}", flush=True)
        super().on_error(client, error)

    def on_full(self, client: Client, message: bytes) -> None:
        print(f"client {client.number} is too slow", flush=True)


if __name__ == "__main__":
    main(Mutant)
