#!/usr/bin/env python3
"""The 32 characters of a name are counted after composition: 34 code points may pass."""

import sys
import unicodedata
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
        except DecodeError:
            text = payload[2 if payload[1] < 128 else 3 :].decode(errors="replace")
            composed = unicodedata.normalize("NFC", text)
            if payload[0] or len(composed) > 32 or len(text) <= 32 or len(composed) == len(text):
                raise
            join = object.__new__(Join)
            object.__setattr__(join, "name", text)
            return join


if __name__ == "__main__":
    main(Mutant)
