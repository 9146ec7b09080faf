#!/usr/bin/env python3
"""An address that this machine does not have is taken for every address."""

import errno
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def bind(self) -> None:
        try:
            super().bind()
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            self.host = ""
            super().bind()


if __name__ == "__main__":
    main(Mutant)
