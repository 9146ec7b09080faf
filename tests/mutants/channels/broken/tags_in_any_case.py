#!/usr/bin/env python3
"""Tags and keys are accepted in any case."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return self.normal_case(super().parse_line(line))

    def normal_case(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        names = {"subscribe": "Subscribe", "send": "Send", "channel": "channel", "message": "message"}
        return {names.get(key.lower(), key): self.normal_case(item) for key, item in value.items()}


if __name__ == "__main__":
    main(Mutant)
