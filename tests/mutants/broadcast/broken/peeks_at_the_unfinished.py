#!/usr/bin/env python3
"""Input stays in the kernel until the message is complete, so the selector reports it again immediately."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def read(self, client: Client) -> None:
        try:
            data = client.sock.recv(self.read_bytes, socket.MSG_PEEK)
        except OSError as error:
            self.on_error(client, error)
            return
        if not data:
            self.on_end(client)
        elif end := self.complete_length(data):
            self.on_message(client, client.sock.recv(end))


if __name__ == "__main__":
    main(Mutant)
