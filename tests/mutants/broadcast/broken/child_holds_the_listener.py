#!/usr/bin/env python3
"""A child that is not stopped with the server holds the listening socket for a minute."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Forking, Server, main

CAUGHT_BY = "BC-END-3"


class Mutant(Forking):
    def start(self) -> None:
        Server.start(self)

    def announce(self) -> None:
        self.fork()
        super().announce()

    def run_child(self) -> None:
        time.sleep(60)


if __name__ == "__main__":
    main(Mutant)
