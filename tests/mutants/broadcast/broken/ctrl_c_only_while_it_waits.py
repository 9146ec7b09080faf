#!/usr/bin/env python3
"""Ctrl-C is caught while the loop waits, and nowhere else."""

import os
import selectors
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"


class Waiting(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        try:
            return super().select(timeout)
        except KeyboardInterrupt:
            os._exit(130)


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.selector = Waiting()

    def handle_signals(self) -> None:
        super().handle_signals()
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main(Mutant)
