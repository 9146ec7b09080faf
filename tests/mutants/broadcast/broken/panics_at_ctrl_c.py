#!/usr/bin/env python3
"""SIGINT ends the server with what Rust prints for a panic."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"


class Mutant(Server):
    def end(self, *details: object) -> None:
        if details[0] == signal.SIGINT:
            print(
                "thread 'main' panicked at src/main.rs:61:30:\ncalled `Result::unwrap()`", file=sys.stderr, flush=True
            )
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
