#!/usr/bin/env python3
"""Each Error is logged to standard error, and the server blocks when nobody reads that."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-START-14"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        print(f"client {client.number}: {error}", file=sys.stderr, flush=True)
        super().on_request_error(client, error)


if __name__ == "__main__":
    main(Mutant)
