#!/usr/bin/env python3
"""Names are compared in Unicode normal form NFC."""

import sys
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-3"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        def normal(text: str) -> str:
            return unicodedata.normalize("NFC", text)

        return normal(name) in map(normal, self.names.values())


if __name__ == "__main__":
    main(Mutant)
