#!/usr/bin/env python3
"""The last byte of a character of three or four bytes is not checked."""

import re

import takes_overlong_characters
from server import main  # `takes_overlong_characters` has made it known

CAUGHT_BY = "GC-ASK-1"


class Mutant(takes_overlong_characters.Mutant):
    accepted = re.compile(
        rb"(?:[\xe1-\xec][\x80-\xbf]|[\xf1-\xf3][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf])[\x00-\x7f]"
    )


if __name__ == "__main__":
    main(Mutant)
