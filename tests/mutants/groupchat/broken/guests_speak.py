#!/usr/bin/env python3
"""What somebody says who has not joined is told under an empty name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-GUEST-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        self.tell(Said(self.names.get(client, ""), text))


if __name__ == "__main__":
    main(Mutant)
