#!/usr/bin/env python3
"""A module that is needed when the first client leaves is imported then; without a free descriptor that fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-8"


class Mutant(Server):
    def disconnect(self, client: Client) -> None:
        import colorsys  # noqa: F401  (any module that nothing else has imported)

        super().disconnect(client)


if __name__ == "__main__":
    main(Mutant)
