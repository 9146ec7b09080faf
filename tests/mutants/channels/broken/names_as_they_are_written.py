#!/usr/bin/env python3
"""Channel names are compared as written, before escapes are decoded."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, RequestError, Server, main

CAUGHT_BY = "CH-LINE-5"


WRITTEN = re.compile(rb'"(?:Subscribe|channel)"\s*:\s*"((?:[^"\\]|\\.)*)"')


class Mutant(Server):
    written = ""

    def parse_request(self, line: bytes) -> tuple[str, str, str]:
        match = WRITTEN.search(line)
        self.written = match[1].decode(errors="replace") if match else ""
        return super().parse_request(line)

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, self.written)

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if self.written not in self.channels:
            raise RequestError(f"no such channel: {channel}")
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = self.written
        self.fan_out(client, line)


if __name__ == "__main__":
    main(Mutant)
