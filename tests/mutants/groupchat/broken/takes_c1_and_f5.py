#!/usr/bin/env python3
"""A character that begins with C1 or with F5 is accepted."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

from spec.groupchat.messages import Request
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    accepted = re.compile(rb"\xc1[\x80-\xbf]|[\xf5-\xf7][\x80-\xbf]{3}")

    def parse_request(self, payload: bytes) -> Request:
        try:
            return super().parse_request(payload)
        except DecodeError as error:
            if "UTF-8" not in error.reason:
                raise
            text = self.accepted.sub(lambda match: b"?" * len(match[0]), payload[2:])
            return super().parse_request(payload[:2] + text)


if __name__ == "__main__":
    main(Mutant)
