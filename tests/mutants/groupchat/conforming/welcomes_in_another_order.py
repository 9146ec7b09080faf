#!/usr/bin/env python3
"""Welcome lists the names in reverse alphabetical order, and refusals have unusual texts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def member_names(self) -> list[str]:
        return sorted(super().member_names(), reverse=True)

    def refuse(self, client: Client, reason: str) -> None:
        super().refuse(client, "non! " + reason[::-1] * 9)


if __name__ == "__main__":
    main(Variant)
