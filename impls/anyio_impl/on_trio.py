#!/usr/bin/env python3
"""The same server on trio, anyio's other backend: the program chooses the backend."""

import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from . import broadcast
else:
    import broadcast  # this file runs as a script, next to the server's module

if __name__ == "__main__":
    anyio.run(broadcast.main, broadcast.parse_address(sys.argv[1:]), backend="trio")
