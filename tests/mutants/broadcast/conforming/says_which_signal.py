#!/usr/bin/env python3
"""At the end it prints the name of the signal, as psignal(3) does: "Interrupt" is no traceback."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Conforming(Server):
    def end(self, *details: object) -> None:
        number = details[0]
        assert isinstance(number, int)
        print(f"server: {signal.strsignal(number)}", file=sys.stderr, flush=True)
        super().end(*details)


if __name__ == "__main__":
    main(Conforming)
