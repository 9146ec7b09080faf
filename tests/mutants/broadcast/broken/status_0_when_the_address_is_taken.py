#!/usr/bin/env python3
"""When the address is in use, the server reports it on standard error but exits with status 0."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-11"


class Mutant(Server):
    def start(self) -> None:
        try:
            super().start()
        except OSError as error:
            print(f"{self.address}: {error.strerror}", file=sys.stderr)
            sys.exit(0)


if __name__ == "__main__":
    main(Mutant)
