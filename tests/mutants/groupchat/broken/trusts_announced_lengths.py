#!/usr/bin/env python3
"""Memory is allocated for the length that a payload announces before that length is checked."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request

CAUGHT_BY = "GC-ASK-2"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        size = shift = 0
        for byte in payload[1:6]:
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        buffer = bytearray(b"~") * min(size, 1 << 28)
        buffer[: len(payload)] = payload
        return super().parse_request(payload)


if __name__ == "__main__":
    main(Mutant)
