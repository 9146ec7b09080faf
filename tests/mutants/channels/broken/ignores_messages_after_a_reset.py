#!/usr/bin/env python3
"""After a reset while another client has a backlog, the server ignores all messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-END-5"


if __name__ == "__main__":
    borrow("ignores_messages_after_a_reset")
