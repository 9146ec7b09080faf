#!/usr/bin/env python3
"""A client takes two descriptors; one for which there is no second is turned away."""

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.second: dict[Client, int] = {}

    def join(self, sock: socket.socket) -> Client:
        second = os.dup(sock.fileno())
        client = super().join(sock)
        self.second[client] = second
        return client

    def accept_one(self) -> bool:
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return False
        except OSError:
            self.out_of_descriptors()
            return False
        try:
            self.join(sock)
        except OSError:
            sock.close()
            self.out_of_descriptors()
            return False
        return True

    def close(self, client: Client) -> None:
        os.close(self.second.pop(client))
        super().close(client)


if __name__ == "__main__":
    main(Variant)
