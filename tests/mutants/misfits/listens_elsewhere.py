#!/usr/bin/env python3
"""Names the given address in its ready line and listens on the next port."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300

    def bind(self) -> None:
        given = self.port
        self.port += 1 if given < 65535 else -1
        super().bind()
        self.port = given


if __name__ == "__main__":
    main(Misfit)
