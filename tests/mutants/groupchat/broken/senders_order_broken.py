#!/usr/bin/env python3
"""One in fifty of the messages that arrive together from one client changes places with the next."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-ORDER-1"


class Mutant(Server):
    count = 0

    def messages(self, complete: bytes) -> list[bytes]:
        messages = super().messages(complete)
        for place in range(1, len(messages) - 1):
            self.count += 1
            if self.count % 50 == 0:
                messages[place], messages[place + 1] = messages[place + 1], messages[place]
        return messages


if __name__ == "__main__":
    main(Mutant)
