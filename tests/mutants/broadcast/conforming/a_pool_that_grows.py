#!/usr/bin/env python3
"""Every twentieth client adds a thread to a pool, which has sixty in the end and keeps them."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

POOL = 60
CLIENTS_A_THREAD = 20


class Variant(Server):
    pool = 0

    def close(self, client: Client) -> None:
        super().close(client)
        if self.pool < POOL and not client.number % CLIENTS_A_THREAD:
            self.pool += 1
            threading.Thread(target=threading.Event().wait, daemon=True).start()


if __name__ == "__main__":
    main(Variant)
