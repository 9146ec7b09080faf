"""Where the harness keeps what it can make again: built servers, what tools answered, how long checks took."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """Return the folder of the cache (below XDG_CACHE_HOME if that is set)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zillions"
