#!/usr/bin/env python3
"""Would serve correctly, but the file is not executable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300


if __name__ == "__main__":
    main(Misfit)
