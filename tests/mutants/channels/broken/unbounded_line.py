#!/usr/bin/env python3
"""An unfinished line is kept however long it is; its length is checked only when it ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-9"


class Mutant(Server):
    def on_line_overflow(self, client: Client) -> None:
        pass


if __name__ == "__main__":
    main(Mutant)
