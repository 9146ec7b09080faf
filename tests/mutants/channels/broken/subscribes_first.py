#!/usr/bin/env python3
"""Among the requests that arrive in one read, all Subscribe are served first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-3"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        lines = data.splitlines(keepends=True)
        if not client.inbox and data.endswith(b"\n"):
            lines.sort(key=lambda line: b'"Subscribe"' not in line)
        super().on_bytes(client, b"".join(lines))


if __name__ == "__main__":
    main(Mutant)
