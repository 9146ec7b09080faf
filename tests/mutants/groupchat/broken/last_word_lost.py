#!/usr/bin/env python3
"""What is said is told 5 ms later, unless its sender has left by then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-3"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        self.later(0.005, lambda: self.say_now(client, text))

    def say_now(self, client: Client, text: str) -> None:
        if self.is_here(client):
            super().on_say(client, text)


if __name__ == "__main__":
    main(Mutant)
