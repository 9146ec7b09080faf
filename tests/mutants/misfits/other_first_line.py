#!/usr/bin/env python3
"""Serves correctly, but its first line is not the ready line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300

    def ready_line(self) -> str:
        return f"Server started on {self.address}"


if __name__ == "__main__":
    main(Misfit)
