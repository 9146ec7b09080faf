#!/usr/bin/env python3
"""The first text of who joins is taken for a repetition if it equals the last one of who had the name before."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.last: dict[Client, str] = {}
        self.left = ("", "")  # who left last, and with which words

    def on_say(self, client: Client, text: str) -> None:
        is_new = client in self.names and client not in self.last
        if client in self.names:
            self.last[client] = text
        if not (is_new and self.left == (self.names[client], text)):
            super().on_say(client, text)

    def forget(self, client: Client) -> None:
        if client in self.last:
            self.left = (self.names[client], self.last.pop(client))
        super().forget(client)


if __name__ == "__main__":
    main(Mutant)
