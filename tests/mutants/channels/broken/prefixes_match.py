#!/usr/bin/env python3
"""A subscription also covers all channels whose names begin with its own."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-5"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        names = [name for name in self.channels if name and self.current_channel.startswith(name)]
        return {client: None for name in [self.current_channel, *names] for client in self.channels.get(name, ())}


if __name__ == "__main__":
    main(Mutant)
