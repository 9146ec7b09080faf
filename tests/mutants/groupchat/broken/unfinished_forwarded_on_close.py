#!/usr/bin/env python3
"""The unfinished text of a client that leaves is forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-2"


class Mutant(Server):
    def forget(self, client: Client) -> None:
        if len(client.inbox) > 4 and client.inbox[2] == 1:
            self.on_say(client, client.inbox[4:].decode(errors="ignore"))
        super().forget(client)


if __name__ == "__main__":
    main(Mutant)
