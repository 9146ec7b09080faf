#!/usr/bin/env python3
"""A tag is cut to a byte: 257 is taken for Say."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        if len(payload) > 1 and payload[0] >= 0x80 and 0 < payload[1] < 0x80:
            payload = bytes(((payload[0] & 0x7F | payload[1] << 7) & 0xFF,)) + payload[2:]
        return super().parse_request(payload)


if __name__ == "__main__":
    main(Mutant)
