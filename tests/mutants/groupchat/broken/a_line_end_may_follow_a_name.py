#!/usr/bin/env python3
"""Names are checked with a regular expression whose $ also matches before a line end."""

import re
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
            if "control" not in error.reason:
                raise
            text = payload[2 if payload[1] < 128 else 3 :].decode()
            if not re.match(r"^[^\x00-\x1f\x7f-\x9f]{1,32}$", text):
                raise
            join = object.__new__(Join)
            object.__setattr__(join, "name", text)
            return join


if __name__ == "__main__":
    main(Mutant)
