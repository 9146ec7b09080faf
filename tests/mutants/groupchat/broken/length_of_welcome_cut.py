#!/usr/bin/env python3
"""The length of a Welcome that does not fit into a frame loses its higher bits."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Reply
from spec.groupchat.serdy import dumps

CAUGHT_BY = "GC-JOIN-7"


class Mutant(Server):
    def fits(self, reply: Reply) -> bool:
        return True

    def encode_frame(self, reply: Reply) -> bytes:
        payload = dumps(reply, Reply)
        return (len(payload) % 65536).to_bytes(2, "big") + payload


if __name__ == "__main__":
    main(Mutant)
