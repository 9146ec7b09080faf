#!/usr/bin/env python3
"""Who sends what is no JSON is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Refused, Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def on_refused(self, client: Client, error: Refused) -> None:
        if "no request" in str(error):
            self.leave(client)
        else:
            super().on_refused(client, error)


if __name__ == "__main__":
    main(Mutant)
