#!/usr/bin/env python3
"""Each unfinished message occupies one of 256 workers; when all are occupied, no other client is read."""

import sixty_four_workers
from server import main  # `sixty_four_workers` has made it known

CAUGHT_BY = "BC-LOAD-6"


class Mutant(sixty_four_workers.Mutant):
    workers = 256


if __name__ == "__main__":
    main(Mutant)
