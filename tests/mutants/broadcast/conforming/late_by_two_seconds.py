#!/usr/bin/env python3
"""Everything is delivered 2.5 s late, and messages are dropped while more than 1 MiB is in transit."""

import late
from server import main  # `late` has made it known


class Variant(late.Variant):
    late_s = 2.5


if __name__ == "__main__":
    main(Variant)
