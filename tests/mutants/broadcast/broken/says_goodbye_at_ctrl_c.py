#!/usr/bin/env python3
"""SIGINT makes the server say goodbye on its standard output."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-4"


class Mutant(Server):
    def end(self, *details: object) -> None:
        if details[0] == signal.SIGINT:
            print("Bye!", flush=True)
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
