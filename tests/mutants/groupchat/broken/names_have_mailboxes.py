#!/usr/bin/env python3
"""Whoever takes a name receives what was said while nobody had it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-DELIVER-4"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.missed: dict[str, list[Said]] = {}

    def forget(self, client: Client) -> None:
        if name := self.names.get(client):
            self.missed[name] = []
            for other in list(self.missed)[:-10]:
                del self.missed[other]
        super().forget(client)

    def on_say(self, client: Client, text: str) -> None:
        if client in self.names:
            for texts in self.missed.values():
                del texts[20:]
                texts.append(Said(self.names[client], text))
        super().on_say(client, text)

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        for said in self.missed.pop(name, []):
            if said.name in self.names.values():
                self.answer(client, said)


if __name__ == "__main__":
    main(Mutant)
