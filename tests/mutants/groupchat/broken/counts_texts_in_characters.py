#!/usr/bin/env python3
"""The limit of 32,768 for a text is applied to its characters instead of its bytes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import MAX_TEXT, Request, Say
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-SAY-3"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        try:
            return super().parse_request(payload)
        except DecodeError as error:
            text = payload[4:].decode(errors="replace")
            if "a text has at most" not in error.reason or len(text) > MAX_TEXT:
                raise
            say = object.__new__(Say)
            object.__setattr__(say, "text", text)
            return say


if __name__ == "__main__":
    main(Mutant)
