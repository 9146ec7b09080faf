#!/usr/bin/env python3
"""Bytes after the value in a payload are ignored."""

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
            if "after the end" not in error.reason:
                raise
            return super().parse_request(payload[: error.offset])


if __name__ == "__main__":
    main(Mutant)
