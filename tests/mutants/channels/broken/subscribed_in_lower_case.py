#!/usr/bin/env python3
"""Subscribed contains the channel name in lower case."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-1"


class Mutant(Server):
    def reply(self, client: Client, value: Any) -> None:
        if "Subscribed" in value:
            value = {"Subscribed": value["Subscribed"].lower()}
        super().reply(client, value)


if __name__ == "__main__":
    main(Mutant)
