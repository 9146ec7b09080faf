#!/usr/bin/env python3
"""A Message has room for 16,383 characters of its channel's name."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def encode_line(self, value: Any) -> bytes:
        if "Message" in value:
            content = value["Message"]
            value = {"Message": {**content, "channel": content["channel"][:16383]}}
        return super().encode_line(value)


if __name__ == "__main__":
    main(Mutant)
