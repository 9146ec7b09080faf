#!/usr/bin/env python3
"""The separators of lines and paragraphs, U+2028 and U+2029, become LF in texts."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-SAY-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, re.sub("[\u2028\u2029]", "\n", text))


if __name__ == "__main__":
    main(Mutant)
