#!/usr/bin/env python3
"""Connects to an address of no machine (TEST-NET-1) before it serves."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        socket.create_connection(("192.0.2.1", 9), timeout=1)
        super().start()


if __name__ == "__main__":
    main(Hostile)
