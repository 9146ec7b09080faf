#!/usr/bin/env python3
"""Every character of a reply is written as a \\u escape."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import BACKLOG_BYTES, Client, Server, main


class Variant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        # The longest message, all escapes, is one and a half times as long as BACKLOG_BYTES.
        return client.backlog_bytes + len(message) > 2 * BACKLOG_BYTES

    def encode_line(self, value: Any) -> bytes:
        return (self.escaped(value) + "\n").encode()

    def escaped(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{self.escaped(key)}:{self.escaped(item)}" for key, item in value.items()) + "}"
        units = value.encode("utf-16-be").hex()
        return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'


if __name__ == "__main__":
    main(Variant)
