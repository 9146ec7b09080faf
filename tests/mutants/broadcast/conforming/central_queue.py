#!/usr/bin/env python3
"""One thread reads each client, one queue makes the order, and one thread writes."""

import queue
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, main
from threads import Threaded

ONLY_IN_FULL = True


class Variant(Threaded):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.queue: queue.Queue[tuple[Client, bytes]] = queue.Queue(64)

    def start(self) -> None:
        super().start()
        threading.Thread(target=self.deliver, daemon=True).start()

    def on_message(self, client: Client, message: bytes) -> None:
        self.queue.put((client, message))

    def deliver(self) -> None:
        while True:
            self.fan_out(*self.queue.get())


if __name__ == "__main__":
    main(Variant)
