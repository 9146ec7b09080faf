#!/usr/bin/env python3
"""The control characters U+0080 to U+009F are accepted in names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Join, Request
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-NAME-2"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        try:
            return super().parse_request(payload)
        except DecodeError as error:
            if "control" not in error.reason or any(byte < 0x20 or byte == 0x7F for byte in payload[2:]):
                raise
            text = payload[2 if payload[1] < 128 else 3 :].decode()
            join = object.__new__(Join)
            object.__setattr__(join, "name", text)
            return join


if __name__ == "__main__":
    main(Mutant)
