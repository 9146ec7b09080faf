#!/usr/bin/env python3
"""An Error has room for 32 KiB, and is not sent if it is longer: as for a channel of such a name."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-8"


class Mutant(Server):
    def reply(self, client: Client, value: Any) -> None:
        if len(value.get("Error", "")) <= 32 * 1024:
            super().reply(client, value)


if __name__ == "__main__":
    main(Mutant)
