#!/usr/bin/env python3
"""One message in three thousand is overtaken by its sender's next message that arrives with it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-ORDER-1"


class Mutant(Server):
    one_by_one = True
    count = 0
    due = False

    def messages(self, complete: bytes) -> list[bytes]:
        messages = super().messages(complete)
        self.due |= self.count // 3000 < (self.count + len(messages)) // 3000
        self.count += len(messages)
        if self.due and len(messages) > 1:
            self.due = False
            messages[-2:] = reversed(messages[-2:])
        return messages


if __name__ == "__main__":
    main(Mutant)
