#!/usr/bin/env python3
"""A client receives its own lines at once, and those of others a moment later."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lines_protocol"))
from server import Client, main

CAUGHT_BY = "LN-ORDER-2"
DELAY_S = 0.02


class Mutant(Client):
    def data_received(self, data: bytes) -> None:
        global sender
        sender = self
        super().data_received(data)

    def deliver(self, lines: bytes) -> None:
        if self is sender:
            super().deliver(lines)
        else:
            asyncio.get_running_loop().call_later(DELAY_S, super().deliver, lines)


sender: Client | None = None

if __name__ == "__main__":
    main(Mutant)
