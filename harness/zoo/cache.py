"""Where the harness keeps what it can make again: built servers, what tools answered, how long checks took."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import HarnessError

VARIABLE = "XDG_CACHE_HOME"
WHAT_TO_SET = f"set {VARIABLE} to the absolute path of a folder in which programs may be written and run"


class NoCache(HarnessError):
    """There is no folder for the cache, or programs cannot be written to it or run from it."""


def base() -> Path:
    """Return the folder of all caches of this user: XDG_CACHE_HOME, or else ~/.cache.

    The XDG Base Directory Specification says that a relative path is to be ignored.

    Raises:
        NoCache: there is no home directory either.
    """
    named = Path(os.environ.get(VARIABLE, ""))
    if named.is_absolute():
        return named
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():
        raise NoCache(f"there is no folder for the cache, because HOME is not set: {WHAT_TO_SET}")
    return home / ".cache"


def folder() -> Path:
    """Return the folder of the harness's own cache; raise NoCache if there is none. It may not exist yet."""
    return base() / "zillions"


def builds() -> Path:
    """Return the folder for built servers; raise NoCache if there is none."""
    return folder() / "builds"


def check_programs_can_run(existing: Path) -> None:
    """Raise NoCache if no program can be run from an existing folder of the cache."""
    if os.statvfs(existing).f_flag & os.ST_NOEXEC:
        raise NoCache(f"programs in {existing} cannot be run, because it is mounted with noexec: {WHAT_TO_SET}")
