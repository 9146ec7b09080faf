#!/usr/bin/env python3
"""It listens on a second port, for its operator."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def listen(self) -> None:
        super().listen()
        self.control = socket.create_server(("127.0.0.1", 0))


if __name__ == "__main__":
    main(Mutant)
