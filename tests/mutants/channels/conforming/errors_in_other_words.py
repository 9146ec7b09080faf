#!/usr/bin/env python3
"""Errors have an empty text or a very long one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main


class Variant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        words = "" if client.number % 2 else f"¡{error}!\n" * 50
        self.reply(client, {"Error": words})


if __name__ == "__main__":
    main(Variant)
