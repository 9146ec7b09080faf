#!/usr/bin/env python3
"""Empty texts are not forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-SAY-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        if text or client not in self.names:
            super().on_say(client, text)


if __name__ == "__main__":
    main(Mutant)
