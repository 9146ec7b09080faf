#!/usr/bin/env python3
"""What is told to the room is collected for 20 ms and told together; answers are not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

LAWFUL = True


class Oddball(Ticking):
    tick_s = 0.02

    def admit(self, client: Client, name: str) -> None:
        self.tick()  # so that the newcomer is not told what was before it came
        super().admit(client, name)


if __name__ == "__main__":
    main(Oddball)
