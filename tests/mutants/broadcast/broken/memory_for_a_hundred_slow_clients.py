#!/usr/bin/env python3
"""Every client has a backlog of up to four MiB, copied, and the process at most 700 MB."""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    def start(self) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (700_000_000, 700_000_000))
        super().start()

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes > 4 * 1024 * 1024

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message[:1] + message[1:])  # a copy


if __name__ == "__main__":
    main(Mutant)
