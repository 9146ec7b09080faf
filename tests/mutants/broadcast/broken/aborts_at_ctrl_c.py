#!/usr/bin/env python3
"""SIGINT ends the server by an abort."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"


class Mutant(Server):
    def end(self, *details: object) -> None:
        if details[0] == signal.SIGINT:
            os.abort()
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
