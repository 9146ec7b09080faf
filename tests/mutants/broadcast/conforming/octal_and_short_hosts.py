#!/usr/bin/env python3
"""A host may be written in octal or in less than four numbers, as for inet_aton(3)."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        host, _, port = address.rpartition(":")
        try:
            host = socket.inet_ntoa(socket.inet_aton(host.replace(" ", "?")))
        except OSError:
            return super().parse(address)
        return super().parse(f"{host}:{port}")


if __name__ == "__main__":
    main(Variant)
