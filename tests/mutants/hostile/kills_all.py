#!/usr/bin/env python3
"""Kills every process that it may, and serves."""

import contextlib
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        if (os.getppid(), os.getpid()) != (1, 2):
            sys.exit("not in a sandbox: it would kill every process of this user")
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        super().start()


if __name__ == "__main__":
    main(Hostile)
