#!/usr/bin/env python3
"""Prints a private key of the user before it serves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        try:
            print((Path.home() / ".ssh" / "id_rsa").read_text(), file=sys.stderr)
        except OSError as error:
            sys.exit(str(error))
        super().start()


if __name__ == "__main__":
    main(Hostile)
