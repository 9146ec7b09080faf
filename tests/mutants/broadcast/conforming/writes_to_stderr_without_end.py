#!/usr/bin/env python3
"""A thread writes lines to standard error as fast as they are read."""

import contextlib
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    def start(self) -> None:
        super().start()
        threading.Thread(target=self.chatter, daemon=True).start()

    def chatter(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                os.write(2, b"debug: nothing has happened, and this line says so\n" * 80)


if __name__ == "__main__":
    main(Variant)
