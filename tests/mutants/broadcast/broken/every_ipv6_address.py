#!/usr/bin/env python3
"""Given an IPv6 address, the server listens on every IPv6 address."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def bind(self) -> None:
        if self.family == socket.AF_INET6:
            self.listener = socket.socket(self.family)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.listener.bind(("::", self.port))
        else:
            super().bind()


if __name__ == "__main__":
    main(Mutant)
