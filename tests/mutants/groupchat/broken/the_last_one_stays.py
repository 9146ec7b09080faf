#!/usr/bin/env python3
"""Who leaves an empty room stays in the list: there is nobody to tell."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-2"


class Mutant(Server):
    def forget(self, client: Client) -> None:
        if client not in self.names or len(self.names) > 1:
            super().forget(client)


if __name__ == "__main__":
    main(Mutant)
