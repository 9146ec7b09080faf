#!/usr/bin/env python3
"""The same server on trio: anyio has two backends, and the program says which one it runs on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from . import broadcast
else:
    import broadcast  # this file is a program, and the server stands beside it

if __name__ == "__main__":
    anyio.run(broadcast.main, broadcast.parse_address(sys.argv[1:]), backend="trio")
