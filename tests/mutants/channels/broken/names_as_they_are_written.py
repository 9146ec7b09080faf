#!/usr/bin/env python3
"""A channel is found by its name as it is written."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Refused, Server, main

CAUGHT_BY = "CH-LINE-5"


WRITTEN = re.compile(rb'"(?:Subscribe|channel)"\s*:\s*"((?:[^"\\]|\\.)*)"')


class Mutant(Server):
    written = ""

    def understand(self, line: bytes) -> tuple[str, str, str]:
        found = WRITTEN.search(line)
        self.written = found[1].decode(errors="replace") if found else ""
        return super().understand(line)

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, self.written)

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if self.written not in self.channels:
            raise Refused(f"no such channel: {channel}")
        line = Line(self.line({"Message": {"channel": channel, "message": message}}))
        line.channel = self.written
        self.fan_out(client, line)


if __name__ == "__main__":
    main(Mutant)
