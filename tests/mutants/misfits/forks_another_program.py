#!/usr/bin/env python3
"""Does the same as forks_a_child, but the child becomes another program without an environment."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Forking, main


class Misfit(Forking):
    lifetime_s = 300

    def run_child(self) -> None:
        os.execve("/bin/sleep", ["sleep", "300"], {})


if __name__ == "__main__":
    main(Misfit)
