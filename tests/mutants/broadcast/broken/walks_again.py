#!/usr/bin/env python3
"""When a client is found dead while a message is written to it, the message goes to all again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-5"


class Mutant(Server):
    walking = False
    hearing = False

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.walking, again = True, True
        while again:
            again = False
            for client in self.receivers(sender):
                self.enqueue(client, message)
                self.flush(client)
                if not self.is_here(client):
                    again = True
                    break
        self.walking = False

    def read(self, client: Client) -> None:
        self.hearing = True
        super().read(client)
        self.hearing = False

    def on_end(self, client: Client) -> None:
        client.inbox.clear()
        client.reading = False
        self.watch(client)

    def on_error(self, client: Client, error: OSError) -> None:
        if self.walking or not self.hearing:
            self.leave(client)
        else:
            self.on_end(client)


if __name__ == "__main__":
    main(Mutant)
