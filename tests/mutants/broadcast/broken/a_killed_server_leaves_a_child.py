#!/usr/bin/env python3
"""Only the handlers of signals end the worker, so it outlives a server that is killed."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-3"


class Mutant(Server):
    def announce(self) -> None:
        nothing = subprocess.DEVNULL
        self.worker = subprocess.Popen(["sleep", "300"], stdin=nothing, stdout=nothing, stderr=nothing)
        super().announce()

    def end(self, *details: object) -> None:
        self.worker.kill()
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
