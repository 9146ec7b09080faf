#!/usr/bin/env python3
"""From 512 clients on, every second client receives simultaneous messages of two senders in reverse order."""

import correct_in_small_rooms_only
from server import main  # `correct_in_small_rooms_only` has made it known

CAUGHT_BY = "BC-ORDER-2"


class Mutant(correct_in_small_rooms_only.Mutant):
    large = 512


if __name__ == "__main__":
    main(Mutant)
