#!/usr/bin/env python3
"""An Error is told to everybody."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Refused, Server, main

CAUGHT_BY = "CH-ERROR-6"


class Mutant(Server):
    def on_refused(self, client: Client, error: Refused) -> None:
        for one in list(self.clients.values()):
            super().on_refused(one, error)


if __name__ == "__main__":
    main(Mutant)
