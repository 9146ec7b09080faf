"""Decides whether output has colours."""

from __future__ import annotations

import os
import sys


def is_wanted() -> bool:
    """Return whether standard output is a terminal with colours and the user has not declined them (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
