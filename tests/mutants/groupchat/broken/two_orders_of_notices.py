#!/usr/bin/env python3
"""Every other member is told who comes and goes ahead of what was said in the same turn."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

from spec.groupchat.messages import Joined, Reply, Said

CAUGHT_BY = "GC-ROOM-3"


class Mutant(Ticking):
    def release(self, collected: list[tuple[Reply, Client | None]]) -> None:
        ahead = sorted(collected, key=lambda one: self.is_text(one[0]))
        for client in tuple(self.names):
            for reply, but in ahead if client.number % 2 else collected:
                if client is not but:
                    self.append(client, self.frame(reply))

    def is_text(self, reply: Reply) -> bool:
        """Return whether this may be overtaken by notices: not the words of those who come or go."""
        return isinstance(reply, Said) and reply.name in self.names.values() and reply.name not in self.fresh()

    def fresh(self) -> set[str]:
        return {reply.name for reply, _ in self.collected if isinstance(reply, Joined)}


if __name__ == "__main__":
    main(Mutant)
