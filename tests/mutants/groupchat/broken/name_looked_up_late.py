#!/usr/bin/env python3
"""What is said in one turn is told at its end, under the name of whoever spoke last."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-SAY-1"


class Mutant(Ticking):
    speaker = ""

    def on_say(self, client: Client, text: str) -> None:
        self.speaker = self.names.get(client, "")
        super().on_say(client, text)

    def release(self, collected: list[tuple[Reply, Client | None]]) -> None:
        super().release(
            [(Said(self.speaker, one.text) if isinstance(one, Said) else one, but) for one, but in collected]
        )


if __name__ == "__main__":
    main(Mutant)
