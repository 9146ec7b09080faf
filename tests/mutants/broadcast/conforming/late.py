#!/usr/bin/env python3
"""Everything is delivered 150 ms late, and messages are dropped while more than 1 MiB is in transit."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    late_s = 0.15
    waiting_bytes = 0

    def fan_out(self, sender: Client, message: bytes) -> None:
        if self.waiting_bytes + len(message) <= 1024 * 1024:
            self.waiting_bytes += len(message)
            receivers = tuple(self.receivers(sender))
            self.call_later(self.late_s, lambda: self.deliver(receivers, message))

    def deliver(self, receivers: tuple[Client, ...], message: bytes) -> None:
        self.waiting_bytes -= len(message)
        for client in receivers:
            if self.is_connected(client):
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Variant)
