#!/usr/bin/env python3
"""Whatever stands between the bracket and the last colon is ignored."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        return super().parse(re.sub(r"^(\[[^]]*\]).*(:[0-9]+)$", r"\1\2", address))


if __name__ == "__main__":
    main(Mutant)
