#!/usr/bin/env python3
"""The server waits until a sender has taken its own message, and serves no other client meanwhile."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-4"


class Mutant(Server):
    def fan_out(self, sender: Client, message: bytes) -> None:
        super().fan_out(sender, message)
        while sender.backlog and self.is_connected(sender):
            sender.sock.setblocking(True)
            self.flush(sender)
        if self.is_connected(sender):
            sender.sock.setblocking(False)


if __name__ == "__main__":
    main(Mutant)
