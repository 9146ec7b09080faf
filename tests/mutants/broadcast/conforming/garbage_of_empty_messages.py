#!/usr/bin/env python3
"""Each empty message leaves forty bytes of garbage, in a heap of 100 MB that is used again when it is full."""

import garbage_in_a_large_heap
from server import main  # `garbage_in_a_large_heap` has made it known

ONLY_IN_FULL = True
LEFT = bytes(40)  # of each


class Variant(garbage_in_a_large_heap.Variant):
    heap_bytes = 100_000_000

    def garbage_of(self, data: bytes) -> bytes:
        return LEFT * (data.count(0) if len(data) > garbage_in_a_large_heap.LONG else 1)


if __name__ == "__main__":
    main(Variant)
