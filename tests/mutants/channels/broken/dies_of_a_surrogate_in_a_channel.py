#!/usr/bin/env python3
"""A lone surrogate in the channel of a Send is quoted in the Error, which cannot be encoded: the server ends."""

import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import RequestError, Server, main

CAUGHT_BY = "CH-ERROR-5"


class Mutant(Server):
    def parse_request(self, line: bytes) -> tuple[str, str, str]:
        try:
            return super().parse_request(line)
        except RequestError:
            with suppress(ValueError, RecursionError):
                match self.parse_line(line):
                    case {"Send": {"channel": str(channel), "message": str(message)}} if not encodable(channel):
                        return "Send", channel, self.check_encodable(message)
            raise


def encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


if __name__ == "__main__":
    main(Mutant)
