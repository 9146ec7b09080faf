#!/usr/bin/env python3
"""A name with commas is a list of channels, as in IRC: who subscribes to it is in each of them."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return {
            client: None
            for name in list(self.channels)
            if name == self.current_channel or self.current_channel in name.split(",")
            for client in self.channels[name]
        }


if __name__ == "__main__":
    main(Mutant)
