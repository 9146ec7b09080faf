#!/usr/bin/env python3
"""An error on one connection, such as a reset or a broken pipe, ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-5"


class Mutant(Server):
    def on_error(self, client: Client, error: OSError) -> None:
        raise error


if __name__ == "__main__":
    main(Mutant)
