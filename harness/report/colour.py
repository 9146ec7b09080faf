"""Decides whether output has colours."""

from __future__ import annotations

import os
import sys


def is_wanted() -> bool:
    """Return whether to use colours: never with NO_COLOR, always with FORCE_COLOR, otherwise on a capable terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
