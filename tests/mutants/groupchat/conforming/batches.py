#!/usr/bin/env python3
"""Everything sent to the room is collected for 20 ms and sent together; answers are not delayed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main


class Variant(Batching):
    batch_s = 0.02

    def admit(self, client: Client, name: str) -> None:
        self.forward_pending()  # so that the client does not receive what was sent before it joined
        super().admit(client, name)


if __name__ == "__main__":
    main(Variant)
