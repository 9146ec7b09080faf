#!/usr/bin/env python3
"""Not dumpable (prctl(2), PR_SET_DUMPABLE): only root may see its descriptors. Meanwhile a thread of it spins."""

import ctypes
import runpy
import threading
from pathlib import Path

PR_SET_DUMPABLE = 4


def spin() -> None:
    while True:
        pass


ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
threading.Thread(target=spin, daemon=True).start()
runpy.run_path(str(Path(__file__).parent.parent / "broadcast" / "server.py"), run_name="__main__")
