#!/usr/bin/env python3
"""SIGINT ends the server with what Ruby prints for an Interrupt that nobody rescues."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"


class Mutant(Server):
    def end(self, *details: object) -> None:
        if details[0] == signal.SIGINT:
            print("server.rb:31:in `select': Interrupt", file=sys.stderr, flush=True)
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
