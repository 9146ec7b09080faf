#!/usr/bin/env python3
"""Characters without a width, U+200B to U+200F and U+2060, are removed from texts."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-SAY-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, re.sub("[\u200b-\u200f\u2060]", "", text))


if __name__ == "__main__":
    main(Mutant)
