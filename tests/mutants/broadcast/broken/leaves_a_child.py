#!/usr/bin/env python3
"""A worker process is not stopped with the server and outlives it by minutes."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-3"


class Mutant(Server):
    def start(self) -> None:
        nothing = subprocess.DEVNULL
        subprocess.Popen(["sleep", "300"], stdin=nothing, stdout=nothing, stderr=nothing)
        super().start()


if __name__ == "__main__":
    main(Mutant)
