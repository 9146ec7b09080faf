#!/usr/bin/env python3
"""A Welcome of 65,536 bytes is believed to fit into a frame, and its length is 0."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Reply
from spec.groupchat.serdy import dumps

CAUGHT_BY = "GC-JOIN-7"


class Mutant(Server):
    def fits(self, reply: Reply) -> bool:
        return len(dumps(reply, Reply)) <= 65536

    def encode_frame(self, reply: Reply) -> bytes:
        payload = dumps(reply, Reply)
        return (len(payload) % 65536).to_bytes(2, "big") + payload


if __name__ == "__main__":
    main(Mutant)
