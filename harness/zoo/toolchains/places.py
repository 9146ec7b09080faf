"""Where this Python and the tools of servers are: what a sandbox must show, besides the system, for them to run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from harness.processes.sandbox import SYSTEM, home

PROGRAMS = {"bin", "shims"}  # names of folders that belong to the tool in the folder above
# Where tools are that people install in their home; what else is there stays hidden.
TOOLS = (".pyenv", ".rustup", ".nvm", ".sdkman", ".ghcup", ".opam", ".asdf", ".local/share/uv", ".local/share/mise")
SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/home"))  # folders of many programs or people


def places_of(commands: Iterable[str]) -> frozenset[Path]:
    """Return where this Python is, and the commands that a server or its build may run.

    Args:
        commands: those that are known by name.
    """
    places = [value for name, value in os.environ.items() if name.endswith(("_HOME", "_ROOT"))]  # JAVA_HOME
    places += os.environ.get("PATH", "").split(os.pathsep)
    return _tools(tuple(commands), tuple(places), home())


def in_system(path: Path) -> bool:
    """Return whether every sandbox shows a file, as part of the system."""
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def folder_of(file: Path) -> Path:
    """Return a folder itself; of a file its folder, or the file itself if its folder is one of many things."""
    if os.path.isdir(file):
        return file
    return file if is_of_many_things(file.parent) else file.parent


def is_of_many_things(folder: Path) -> bool:
    """Return whether a folder holds more than one program or project."""
    return folder in SHARED or home().is_relative_to(folder)  # the home, and what it is in


def _interpreter() -> Iterator[Path]:
    """Yield where this Python and its packages are."""
    for prefix in (sys.prefix, sys.base_prefix):
        yield Path(prefix)
    executable = Path(sys.executable)
    while executable.is_symlink():  # each link on the way is looked up
        yield folder_of(executable)
        executable = Path(os.path.normpath(executable.parent / os.readlink(executable)))
    yield folder_of(executable)


@cache
def _tools(commands: Sequence[str], places: Sequence[str], home_folder: Path) -> frozenset[Path]:
    """Return the folders of `places_of`, for these settings of the machine.

    Args:
        commands: those that are known by name.
        places: folders that the environment names.
        home_folder: the home of this user.
    """
    found = set(_interpreter())
    found |= {each for each in map(Path, places) if os.path.isabs(each) and os.path.isdir(each)}
    found |= {home_folder / name for name in TOOLS if os.path.isdir(home_folder / name)}
    for word in filter(None, commands):
        if (file := shutil.which(word)) and word != file:
            real = Path(file).resolve()
            is_of_tool = real.parent.name in PROGRAMS and real.parent.parent.name != ".local"
            found.add(real.parent.parent if is_of_tool else folder_of(real))
    return frozenset(path for path in found if not is_of_many_things(path) and not in_system(path))
