#!/usr/bin/env python3
"""A lone surrogate is refused in the name of a channel only; in a message it is forwarded as it was written."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-4"


class Mutant(Server):
    def check_encodable(self, text: str) -> str:
        return text

    def encode_line(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"

    def on_subscribe(self, client: Client, channel: str) -> None:
        super().on_subscribe(client, super().check_encodable(channel))


if __name__ == "__main__":
    main(Mutant)
