#!/usr/bin/env python3
"""The length limit of lines is applied to characters instead of bytes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import MAX_LINE, Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    max_line = 4 * MAX_LINE

    def on_message(self, client: Client, message: bytes) -> None:
        if len(message.decode(errors="replace")) > MAX_LINE:
            self.on_too_long(client)
        else:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
