#!/usr/bin/env python3
"""A text that equals the one before it is dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-5"


class Mutant(Server):
    last = ""

    def on_say(self, client: Client, text: str) -> None:
        if text != self.last or client not in self.names:
            super().on_say(client, text)
        self.last = text


if __name__ == "__main__":
    main(Mutant)
