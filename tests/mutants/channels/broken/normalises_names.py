#!/usr/bin/env python3
"""Channel names are compared in Unicode normal form NFC."""

import sys
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, unicodedata.normalize("NFC", channel))

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if unicodedata.normalize("NFC", channel) not in self.channels:
            raise RequestError(f"no such channel: {channel}")
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = unicodedata.normalize("NFC", channel)
        self.fan_out(client, line)


if __name__ == "__main__":
    main(Mutant)
