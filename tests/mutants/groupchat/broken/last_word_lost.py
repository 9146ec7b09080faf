#!/usr/bin/env python3
"""Texts are forwarded 50 ms later, unless their sender has left by then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-3"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        self.call_later(0.05, lambda: self.say_now(client, text))

    def say_now(self, client: Client, text: str) -> None:
        if self.is_connected(client):
            super().on_say(client, text)


if __name__ == "__main__":
    main(Mutant)
