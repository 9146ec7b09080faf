#!/usr/bin/env python3
"""Writes into the home and the folders for temporary files, and serves."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        for folder in (Path.home(), Path(tempfile.gettempdir()), Path("/dev/shm")):
            (folder / "planted-by-a-hostile-server").write_text("planted")
        super().start()


if __name__ == "__main__":
    main(Hostile)
