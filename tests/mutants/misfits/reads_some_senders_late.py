#!/usr/bin/env python3
"""Serves correctly, but a message of every client but the first 12 waits for 0.3 s before it enters the order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Client, Server, main


class Misfit(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if client.number < 12:
            self.fan_out(client, message)
        else:
            self.call_later(0.3, lambda: self.fan_out(client, message))


if __name__ == "__main__":
    main(Misfit)
