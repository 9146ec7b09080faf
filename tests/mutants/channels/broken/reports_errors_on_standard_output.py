#!/usr/bin/env python3
"""Each invalid request is reported on standard output."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-START-4"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        print(str(error).encode(errors="replace"), flush=True)
        super().on_request_error(client, error)


if __name__ == "__main__":
    main(Mutant)
