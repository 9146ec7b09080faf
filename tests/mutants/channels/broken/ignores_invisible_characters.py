#!/usr/bin/env python3
"""Channel names are compared without invisible characters."""

import sys
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, visible(channel))

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if visible(channel) not in self.channels:
            raise RequestError(f"no such channel: {channel}")
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = visible(channel)
        self.fan_out(client, line)


def visible(name: str) -> str:
    return "".join(character for character in name if unicodedata.category(character) != "Cf")


if __name__ == "__main__":
    main(Mutant)
