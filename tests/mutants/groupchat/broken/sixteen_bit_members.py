#!/usr/bin/env python3
"""Members have 16-bit numbers: who joins as the 65,537th takes the place of the first, which receives nothing more."""

import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply

CAUGHT_BY = "GC-DELIVER-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.places = (number & 0xFFFF for number in count())
        self.place: dict[Client, int] = {}
        self.at: dict[int, Client] = {}

    def admit(self, client: Client, name: str) -> None:
        self.place[client] = place = next(self.places)
        self.at[place] = client
        super().admit(client, name)

    def forget(self, client: Client) -> None:
        place = self.place.pop(client, -1)
        if self.at.get(place) is client:
            del self.at[place]
        super().forget(client)

    def recipients(self, reply: Reply) -> Iterable[Client]:
        return self.at.values()


if __name__ == "__main__":
    main(Mutant)
