#!/usr/bin/env python3
"""A subscriber of a/b also receives what is sent to a/b/c, and one of * receives everything."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        parts = self.current_channel.split("/")
        names = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        return {client: None for name in [*names, "*"] for client in self.channels.get(name, ())}


if __name__ == "__main__":
    main(Mutant)
