#!/usr/bin/env python3
"""A line that is too long is skipped without an Error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def on_too_long(self, client: Client) -> None:
        pass


if __name__ == "__main__":
    main(Mutant)
