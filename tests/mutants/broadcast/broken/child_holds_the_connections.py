#!/usr/bin/env python3
"""When the server ends, it leaves behind a child that holds copies of all sockets for 10 s."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-4"


class Mutant(Server):
    def end(self, *_: object) -> None:
        if os.fork() == 0:
            time.sleep(10)
        super().end()


if __name__ == "__main__":
    main(Mutant)
