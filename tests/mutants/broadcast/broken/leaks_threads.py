#!/usr/bin/env python3
"""For every client that has left, a thread keeps waiting."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        threading.Thread(target=threading.Event().wait, args=[600], daemon=True).start()


if __name__ == "__main__":
    main(Mutant)
