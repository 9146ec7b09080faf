#!/usr/bin/env python3
"""Tries to connect to an address of no machine (TEST-NET-1), says nothing of it, and ends."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        with contextlib.suppress(OSError):
            socket.create_connection(("192.0.2.1", 9), timeout=1)
        sys.exit(1)


if __name__ == "__main__":
    main(Hostile)
