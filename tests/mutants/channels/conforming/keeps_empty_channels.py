#!/usr/bin/env python3
"""A channel without subscribers is kept, and sending to it is not an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    def forget(self, channel: str) -> None:
        pass


if __name__ == "__main__":
    main(Variant)
