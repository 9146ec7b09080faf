#!/usr/bin/env python3
"""A worker process of the server prints a traceback when Ctrl-C in a terminal reaches it as well."""

import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-2"
WAIT_S = 0.5


class Mutant(Server):
    def start(self) -> None:
        self.worker = multiprocessing.get_context("fork").Process(target=work)
        self.worker.start()
        super().start()

    def end(self, *_: object) -> None:
        self.worker.join(WAIT_S)
        self.worker.terminate()
        self.worker.join()
        super().end()


def work() -> None:
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(Mutant)
