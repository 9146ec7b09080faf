"""Whether colours are wanted on standard output."""

from __future__ import annotations

import os
import sys


def wanted() -> bool:
    """Return whether it is a terminal that has colours, and the user has not said no (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
