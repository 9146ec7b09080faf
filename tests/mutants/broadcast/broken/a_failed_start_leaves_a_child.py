#!/usr/bin/env python3
"""A process that was started before the address was taken outlives a start that fails."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-3"


class Mutant(Server):
    def start(self) -> None:
        nothing = subprocess.DEVNULL
        self.worker = subprocess.Popen(["sleep", "300"], stdin=nothing, stdout=nothing, stderr=nothing)
        super().start()

    def end(self, *details: object) -> None:
        self.worker.kill()
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
