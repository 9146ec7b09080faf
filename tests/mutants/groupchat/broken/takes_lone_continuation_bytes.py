#!/usr/bin/env python3
"""A continuation byte of UTF-8 is accepted where a character begins."""

import re

import takes_overlong_characters
from server import main  # `takes_overlong_characters` has made it known

CAUGHT_BY = "GC-ASK-1"


class Mutant(takes_overlong_characters.Mutant):
    accepted = re.compile(rb"(?<![\x80-\xff])[\x80-\xbf]")


if __name__ == "__main__":
    main(Mutant)
