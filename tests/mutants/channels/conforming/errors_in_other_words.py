#!/usr/bin/env python3
"""Errors have no words, or very many."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Refused, Server, main

LAWFUL = True


class Oddball(Server):
    def on_refused(self, client: Client, error: Refused) -> None:
        words = "" if client.number % 2 else f"¡{error}!\n" * 50
        self.reply(client, {"Error": words})


if __name__ == "__main__":
    main(Oddball)
