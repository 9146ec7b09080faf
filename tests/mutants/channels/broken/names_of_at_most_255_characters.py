#!/usr/bin/env python3
"""Only the first 255 characters of a channel name count."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


def key(channel: str) -> str:
    return channel[:255]


class Mutant(Server):
    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, key(channel))

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if key(channel) not in self.channels:
            raise RequestError(f"no such channel: {channel}")
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = key(channel)
        self.fan_out(client, line)


if __name__ == "__main__":
    main(Mutant)
