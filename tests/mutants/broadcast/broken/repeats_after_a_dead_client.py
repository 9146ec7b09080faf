#!/usr/bin/env python3
"""When a write finds that a client is dead, the message is sent to all clients again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-5"


class Mutant(Server):
    sending = False
    reading = False

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.sending, repeat = True, True
        while repeat:
            repeat = False
            for client in self.receivers(sender):
                self.enqueue(client, message)
                self.flush(client)
                if not self.is_connected(client):
                    repeat = True
                    break
        self.sending = False

    def read(self, client: Client) -> None:
        self.reading = True
        super().read(client)
        self.reading = False

    def on_end(self, client: Client) -> None:
        client.inbox.clear()
        client.reading = False
        self.watch(client)

    def on_error(self, client: Client, error: OSError) -> None:
        if self.sending or not self.reading:
            self.disconnect(client)
        else:
            self.on_end(client)


if __name__ == "__main__":
    main(Mutant)
