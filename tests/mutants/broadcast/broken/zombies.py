#!/usr/bin/env python3
"""A helper process is started for every connection, and its exit status is never collected."""

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        if os.fork() == 0:
            os._exit(0)
        return super().join(sock)


if __name__ == "__main__":
    main(Mutant)
