#!/usr/bin/env python3
"""There are two rooms for texts; members that join while twelve are present get into the second one."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-DELIVER-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.second_room: set[str] = set()

    def admit(self, client: Client, name: str) -> None:
        if len(self.names) >= 12:
            self.second_room.add(name)
        super().admit(client, name)

    def forget(self, client: Client) -> None:
        self.second_room.discard(self.names.get(client, ""))
        super().forget(client)

    def recipients(self, reply: Reply) -> Iterable[Client]:
        if not isinstance(reply, Said):
            return super().recipients(reply)
        is_second = reply.name in self.second_room
        return [client for client, name in self.names.items() if (name in self.second_room) == is_second]


if __name__ == "__main__":
    main(Mutant)
