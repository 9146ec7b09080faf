#!/usr/bin/env python3
"""The ready line is built from the address of the socket."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-5"


class Mutant(Server):
    def ready_line(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"listening on {host}:{port}"


if __name__ == "__main__":
    main(Mutant)
