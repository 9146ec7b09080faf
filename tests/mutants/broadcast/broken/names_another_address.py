#!/usr/bin/env python3
"""The ready line names localhost, whatever address was given."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-5"


class Mutant(Server):
    def ready_line(self) -> str:
        return f"listening on localhost:{self.listener.getsockname()[1]}"


if __name__ == "__main__":
    main(Mutant)
