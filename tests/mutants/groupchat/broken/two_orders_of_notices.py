#!/usr/bin/env python3
"""Every second member receives the notices of a batch ahead of its texts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

from spec.groupchat.messages import Joined, Reply, Said

CAUGHT_BY = "GC-ROOM-3"


class Mutant(Batching):
    def release(self, pending: list[tuple[Reply, Client | None]]) -> None:
        notices_first = sorted(pending, key=lambda item: self.is_text(item[0]))
        for client in tuple(self.names):
            for reply, exclude in notices_first if client.number % 2 else pending:
                if client is not exclude:
                    self.append(client, self.encode_frame(reply))

    def is_text(self, reply: Reply) -> bool:
        """Return whether notices may overtake this: a text whose sender is not joining or leaving in this batch."""
        return isinstance(reply, Said) and reply.name in self.names.values() and reply.name not in self.newly_joined()

    def newly_joined(self) -> set[str]:
        return {reply.name for reply, _ in self.pending if isinstance(reply, Joined)}


if __name__ == "__main__":
    main(Mutant)
