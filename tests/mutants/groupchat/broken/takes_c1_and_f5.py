#!/usr/bin/env python3
"""A character that begins with C1 or with F5 is accepted."""

import re

import takes_overlong_characters
from server import main  # `takes_overlong_characters` has made it known

CAUGHT_BY = "GC-ASK-1"


class Mutant(takes_overlong_characters.Mutant):
    accepted = re.compile(rb"\xc1[\x80-\xbf]|[\xf5-\xf7][\x80-\xbf]{3}")


if __name__ == "__main__":
    main(Mutant)
