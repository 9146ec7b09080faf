#!/usr/bin/env python3
"""A length is computed in 32 bits: 2**32 + 2 is taken for 2."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request
from spec.groupchat.wire import encode_varint

CAUGHT_BY = "GC-ASK-2"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        end = 1
        while end < min(len(payload), 11) and payload[end] >= 0x80:
            end += 1
        size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(payload[1 : end + 1]))
        if end <= 10 and 2**32 <= size < 2**64:
            payload = payload[:1] + encode_varint(size % 2**32) + payload[end + 1 :]
        return super().parse_request(payload)


if __name__ == "__main__":
    main(Mutant)
