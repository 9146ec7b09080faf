#!/usr/bin/env python3
"""SIGINT disconnects all clients, and the server ends when the last of them has gone: never, if there was none."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-END-2"


class Mutant(Server):
    ending = False

    def end(self, *details: object) -> None:
        if details[0] != signal.SIGINT:
            super().end(*details)
        self.ending = True
        for client in tuple(self.clients.values()):
            self.disconnect(client)

    def close(self, client: Client) -> None:
        super().close(client)
        if self.ending and not self.clients:
            os._exit(0)


if __name__ == "__main__":
    main(Mutant)
