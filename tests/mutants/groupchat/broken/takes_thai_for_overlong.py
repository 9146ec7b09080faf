#!/usr/bin/env python3
"""A character whose first byte is that of an overlong form, as in Thai, is refused."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Join, Request
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-SAY-2"


class Mutant(Server):
    def parse_request(self, payload: bytes) -> Request:
        request = super().parse_request(payload)
        if b"\xe0" in (request.name if isinstance(request, Join) else request.text).encode():
            raise DecodeError("overlong", "$", 0)
        return request


if __name__ == "__main__":
    main(Mutant)
