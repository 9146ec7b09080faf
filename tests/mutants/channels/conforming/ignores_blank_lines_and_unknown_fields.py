#!/usr/bin/env python3
"""Blank lines and unknown fields of Send are ignored."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if message.strip():
            super().on_message(client, message)

    def parse_line(self, line: bytes) -> Any:
        value = super().parse_line(line)
        match value:
            case {"Send": {"channel": channel, "message": message}, **others} if not others:
                return {"Send": {"channel": channel, "message": message}}
        return value


if __name__ == "__main__":
    main(Variant)
