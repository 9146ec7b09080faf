#!/usr/bin/env python3
"""Writes into the checkout that it is in before it serves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        Path(__file__).with_name("planted").write_text("planted")
        super().start()


if __name__ == "__main__":
    main(Hostile)
