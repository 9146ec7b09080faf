#!/usr/bin/env python3
"""Everything is delivered 2 s late; every message leaves garbage, which is freed when there are 20 MB."""

import late
import memory_saw_tooth
from server import main  # `late` has made it known

ONLY_IN_FULL = True


class Variant(late.Variant, memory_saw_tooth.Variant):
    late_s = 2.0


if __name__ == "__main__":
    main(Variant)
