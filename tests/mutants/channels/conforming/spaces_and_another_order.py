#!/usr/bin/env python3
"""Replies have white space wherever JSON has it, and the message before the channel."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Server, main

LAWFUL = True


class Oddball(Server):
    def line(self, value: Any) -> bytes:
        return f" \t{json.dumps(value, sort_keys=False, separators=(' ,  ', ' : '))} \r\n".encode()

    def publish(self, sender: Client, channel: str, message: str) -> None:
        line = Line(self.line({"Message": {"message": message, "channel": channel}}))
        line.channel = channel
        self.fan_out(sender, line)


if __name__ == "__main__":
    main(Oddball)
