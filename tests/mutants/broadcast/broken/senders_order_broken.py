#!/usr/bin/env python3
"""One in fifty of the messages that arrive together from one client is overtaken by the next."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-ORDER-1"


class Mutant(Server):
    one_by_one = True
    count = 0

    def messages(self, complete: bytes) -> list[bytes]:
        messages = super().messages(complete)
        for i in range(len(messages) - 1):
            self.count += 1
            if self.count % 50 == 0:
                messages[i], messages[i + 1] = messages[i + 1], messages[i]
        return messages


if __name__ == "__main__":
    main(Mutant)
