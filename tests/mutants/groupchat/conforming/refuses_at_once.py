#!/usr/bin/env python3
"""A refusal is sent ahead of everything queued, except the rest of a partly written frame."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Refused

ONLY_IN_FULL = True


class Variant(Server):
    def refuse(self, client: Client, reason: str) -> None:
        data = self.encode_frame(Refused(reason))
        self.flush(client)
        if client.backlog:
            client.backlog.insert(1, data)
            client.backlog_bytes += len(data)
        else:
            super().refuse(client, reason)


if __name__ == "__main__":
    main(Variant)
