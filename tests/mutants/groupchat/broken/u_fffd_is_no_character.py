#!/usr/bin/env python3
"""U+FFFD in a name is taken for a sign that it was not UTF-8."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        if "\ufffd" in name:
            self.refuse(client, "not UTF-8")
        else:
            super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
