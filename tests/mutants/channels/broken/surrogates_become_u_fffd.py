#!/usr/bin/env python3
"""A lone surrogate becomes a U+FFFD."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-4"


class Mutant(Server):
    def checked(self, text: str) -> str:
        return text.encode(errors="surrogatepass").decode(errors="replace")


if __name__ == "__main__":
    main(Mutant)
