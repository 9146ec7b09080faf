#!/usr/bin/env python3
"""Serves correctly, but ignores SIGTERM and SIGINT; ends after 300 s."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300

    def end(self, *_: object) -> None:
        """Do nothing."""


if __name__ == "__main__":
    main(Misfit)
