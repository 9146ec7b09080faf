#!/usr/bin/env python3
"""SIGINT ends the server with a traceback."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"


class Mutant(Server):
    def handle_signals(self) -> None:
        super().handle_signals()
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main(Mutant)
