#!/usr/bin/env python3
"""Lone surrogates are replaced by U+FFFD."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-4"


class Mutant(Server):
    def check_encodable(self, text: str) -> str:
        return text.encode(errors="surrogatepass").decode(errors="replace")


if __name__ == "__main__":
    main(Mutant)
