#!/usr/bin/env python3
"""A client that has closed its sending side is served further, and still watched for input."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        """Do nothing: the selector reports the end of the stream again immediately."""


if __name__ == "__main__":
    main(Mutant)
