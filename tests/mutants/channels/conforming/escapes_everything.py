#!/usr/bin/env python3
"""Every character is written as an escape."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import BACKLOG_BYTES, Client, Server, main

LAWFUL = True


class Oddball(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return client.size + len(message) > 2 * BACKLOG_BYTES  # the longest message is as long as one and a half

    def line(self, value: Any) -> bytes:
        return (self.written(value) + "\n").encode()

    def written(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{self.written(key)}:{self.written(one)}" for key, one in value.items()) + "}"
        units = value.encode("utf-16-be").hex()
        return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'


if __name__ == "__main__":
    main(Oddball)
