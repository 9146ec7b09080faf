#!/usr/bin/env python3
"""A frame is never filled to its last byte: a Welcome of 65,535 bytes counts as too long."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import MAX_PAYLOAD, Server, main

from spec.groupchat.messages import Reply
from spec.groupchat.serdy import dumps

CAUGHT_BY = "GC-JOIN-7"


class Mutant(Server):
    def fits(self, reply: Reply) -> bool:
        return len(dumps(reply, Reply)) < MAX_PAYLOAD


if __name__ == "__main__":
    main(Mutant)
