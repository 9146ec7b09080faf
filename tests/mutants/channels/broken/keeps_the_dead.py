#!/usr/bin/env python3
"""A client that has left stays subscribed, and sending to its channels is answered by an Error."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-12"


class Mutant(Server):
    def unsubscribe(self, client: Client) -> None:
        pass

    def on_send(self, client: Client, channel: str, message: str) -> None:
        super().on_send(client, channel, message)
        if not all(map(self.is_connected, self.channels[channel])):
            raise RequestError("broken pipe")

    def receivers(self, sender: Client) -> Iterable[Client]:
        return filter(self.is_connected, tuple(super().receivers(sender)))


if __name__ == "__main__":
    main(Mutant)
