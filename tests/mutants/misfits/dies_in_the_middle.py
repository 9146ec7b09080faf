#!/usr/bin/env python3
"""Serves correctly, and exits with status 9 after forwarding 300 messages."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Client, Server, main


class Misfit(Server):
    one_by_one = True
    lifetime_s = 300
    count = 0

    def fan_out(self, sender: Client, message: bytes) -> None:
        super().fan_out(sender, message)
        self.count += 1
        if self.count == 300:
            os.write(2, b"fatal: message table is full (300 entries)\n")
            os._exit(9)


if __name__ == "__main__":
    main(Misfit)
