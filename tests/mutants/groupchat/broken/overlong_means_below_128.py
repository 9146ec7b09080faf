#!/usr/bin/env python3
"""A length has too many bytes only if it is below 128: 128 in three bytes is accepted."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        if len(payload) > 4 and payload[1] > 0x7F and payload[2] > 0x80 and payload[3] == 0:
            payload = payload[:2] + bytes((payload[2] & 0x7F,)) + payload[4:]
        return super().parse_request(payload)


if __name__ == "__main__":
    main(Mutant)
