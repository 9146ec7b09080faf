#!/usr/bin/env python3
"""A client that sends nothing during two seconds of traffic is disconnected."""

import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    traffic_s = 0.0  # without pauses of more than 0.1 s
    last_message = 0.0

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.silent_since: dict[int, float] = {}

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.silent_since[client.number] = self.traffic_s
        return client

    def fan_out(self, sender: Client, message: bytes) -> None:
        now = time.monotonic()
        self.traffic_s += min(now - self.last_message, 0.1)
        self.last_message = now
        self.silent_since[sender.number] = self.traffic_s
        super().fan_out(sender, message)
        for client in list(self.clients.values()):
            if self.traffic_s - self.silent_since[client.number] > 2:
                self.disconnect(client)

    def close(self, client: Client) -> None:
        del self.silent_since[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
