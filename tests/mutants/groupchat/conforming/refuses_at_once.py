#!/usr/bin/env python3
"""A refusal is written at once, ahead of all that waits; the rest of a frame goes first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Refused

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def refuse(self, client: Client, reason: str) -> None:
        data = self.frame(Refused(reason))
        self.flush(client)
        if client.backlog:
            client.backlog.insert(1, data)
            client.size += len(data)
        else:
            super().refuse(client, reason)


if __name__ == "__main__":
    main(Oddball)
