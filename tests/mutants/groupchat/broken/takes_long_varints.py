#!/usr/bin/env python3
"""A length is accepted even if it is encoded in more bytes than necessary."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        try:
            return super().parse_request(payload)
        except DecodeError as error:
            if "more bytes than necessary" not in error.reason:
                raise
            return super().parse_request(payload[:1] + bytes((payload[1] & 0x7F,)) + payload[3:])


if __name__ == "__main__":
    main(Mutant)
