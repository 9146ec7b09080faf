#!/usr/bin/env python3
"""The server ends when no client has been connected for a second."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-7"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        if not self.clients:
            self.call_later(1, self.end_if_alone)

    def end_if_alone(self) -> None:
        if not self.clients:
            os._exit(0)


if __name__ == "__main__":
    main(Mutant)
