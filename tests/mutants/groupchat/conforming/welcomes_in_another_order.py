#!/usr/bin/env python3
"""Welcome names the latest first, and refusals are in other words."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    def present(self) -> list[str]:
        return sorted(super().present(), reverse=True)

    def refuse(self, client: Client, reason: str) -> None:
        super().refuse(client, "non! " + reason[::-1] * 9)


if __name__ == "__main__":
    main(Oddball)
