#!/usr/bin/env python3
"""SO_REUSEADDR is not set, so a restart fails for a minute."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-12"


class Mutant(Server):
    reuse_address = False


if __name__ == "__main__":
    main(Mutant)
