#!/usr/bin/env python3
"""Texts collected in one batch are all forwarded with the name of the last sender."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-SAY-1"


class Mutant(Batching):
    last_sender = ""

    def on_say(self, client: Client, text: str) -> None:
        self.last_sender = self.names.get(client, "")
        super().on_say(client, text)

    def release(self, pending: list[tuple[Reply, Client | None]]) -> None:
        for reply, exclude in pending:
            renamed = Said(self.last_sender, reply.text) if isinstance(reply, Said) else reply
            super().release([(renamed, exclude)])


if __name__ == "__main__":
    main(Mutant)
