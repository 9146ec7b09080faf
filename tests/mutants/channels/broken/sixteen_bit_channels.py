#!/usr/bin/env python3
"""Channels have 16-bit numbers: the 65,537th is the first one."""

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-4"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.next_numbers = (number & 0xFFFF for number in count())
        self.channel_numbers: dict[str, str] = {}
        self.names: dict[str, list[str]] = {}  # of each number

    def subscribe(self, client: Client, channel: str) -> None:
        if channel not in self.channel_numbers:
            self.channel_numbers[channel] = number = str(next(self.next_numbers))
            self.names.setdefault(number, []).append(channel)
        super().subscribe(client, self.channel_numbers[channel])

    def forget(self, channel: str) -> None:
        super().forget(channel)
        for name in self.names.pop(channel, ()):
            del self.channel_numbers[name]

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel not in self.channel_numbers:
            raise RequestError(f"no such channel: {channel}")
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = self.channel_numbers[channel]
        self.fan_out(client, line)


if __name__ == "__main__":
    main(Mutant)
