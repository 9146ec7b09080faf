#!/usr/bin/env python3
"""Replies contain white space wherever JSON allows it, and the message before the channel."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Server, main


class Variant(Server):
    def encode_line(self, value: Any) -> bytes:
        return f" \t{json.dumps(value, sort_keys=False, separators=(' ,  ', ' : '))} \r\n".encode()

    def publish(self, sender: Client, channel: str, message: str) -> None:
        line = Line(self.encode_line({"Message": {"message": message, "channel": channel}}))
        line.channel = channel
        self.fan_out(sender, line)


if __name__ == "__main__":
    main(Variant)
