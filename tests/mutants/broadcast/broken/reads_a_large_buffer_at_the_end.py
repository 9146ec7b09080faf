#!/usr/bin/env python3
"""When the end of a client's stream has arrived, it is read once more, 32 KiB, and then disconnected."""

import reads_once_more_at_the_end
from server import main  # `reads_once_more_at_the_end` has made it known

CAUGHT_BY = "BC-COME-3"


class Mutant(reads_once_more_at_the_end.Mutant):
    read_bytes = 32 * 1024


if __name__ == "__main__":
    main(Mutant)
