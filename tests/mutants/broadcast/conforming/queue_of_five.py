#!/usr/bin/env python3
"""Five connections may wait to be accepted, as in Python's socketserver and Erlang's gen_tcp."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    def listen(self) -> None:
        super().listen()
        self.listener.listen(5)


if __name__ == "__main__":
    main(Variant)
