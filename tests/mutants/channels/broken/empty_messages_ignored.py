#!/usr/bin/env python3
"""Empty messages are not forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-6"


class Mutant(Server):
    def publish(self, sender: Client, channel: str, message: str) -> None:
        if message:
            super().publish(sender, channel, message)


if __name__ == "__main__":
    main(Mutant)
