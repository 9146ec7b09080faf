"""The sandboxes of servers and builds: which files each sees besides the system."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache as cached
from pathlib import Path

from harness.model import Implementation
from harness.processes.sandbox import MIB, SYSTEM, Sandbox, home
from harness.zoo import cache
from harness.zoo.toolchains import needs

GIT = ".git"  # it may hold a token, and every version of every file
PROGRAMS = {"bin", "shims"}  # names of folders that belong to the tool in the folder above
# Where tools are that people install in their home; what else is there stays hidden.
TOOLS = (".pyenv", ".rustup", ".nvm", ".sdkman", ".ghcup", ".opam", ".asdf", ".local/share/uv", ".local/share/mise")
SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/home"))  # folders of many programs or people


BUILD = Sandbox(temporary_bytes=2048 * MIB, file_bytes=2048 * MIB, reaches_network=True, ends_with_parent=True)


def of_server(implementation: Implementation, command: Sequence[str]) -> Sandbox:
    """Return the sandbox of a server, which sees the checkout that it is in, or else its folder.

    Args:
        implementation: the server.
        command: the command that runs it.
    """
    words = [word for word in command if os.path.isabs(word) and word != sys.executable]
    files = [Path(word) for word in words if os.path.exists(word)]
    if implementation.source:
        files.append(implementation.source)
    if implementation.build:  # it may stand within a word, e.g. in a class path
        in_builds = re.escape(f"{cache.builds()}/") + "[^/:]+"
        files += [Path(found) for word in command for found in re.findall(in_builds, word)]
    own = [folder for file in files for each in {file, file.resolve()} for folder in (_checkout(each), _folder(each))]
    return _showing(Sandbox(), implementation, own)


def of_build(implementation: Implementation, folder: Path) -> Sandbox:
    """Return the sandbox of a build, which sees only the folder of the source, because it can reach the network.

    Args:
        implementation: the server.
        folder: where it writes.
    """
    assert implementation.source
    own = [implementation.source.parent, implementation.source.parent.resolve()]
    return _showing(replace(BUILD, writable=(folder,)), implementation, own)


def _showing(sandbox: Sandbox, implementation: Implementation, own: Sequence[Path | None]) -> Sandbox:
    """Return a sandbox that shows these files of a server as well, this Python, and the server's tools."""
    commands = [need.name for need in needs.parse(implementation) if need.kind == needs.COMMAND]
    commands += [implementation.python, *implementation.build[:1], *implementation.run[:1]]
    places = [value for name, value in os.environ.items() if name.endswith(("_HOME", "_ROOT"))]  # JAVA_HOME
    places += os.environ.get("PATH", "").split(os.pathsep)
    readable = {path for path in own if path and not _in_system(path)}
    readable |= _tools(tuple(commands), tuple(places), home())
    hidden = [path / GIT for path in sorted(readable) if os.path.exists(path / GIT)]
    return replace(sandbox, readable=tuple(readable), hidden=tuple(hidden))


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def _folder(file: Path) -> Path:
    """Return a folder itself; of a file its folder, or the file itself if its folder is one of many things."""
    if os.path.isdir(file):
        return file
    return file if _is_of_many_things(file.parent) else file.parent


def _is_of_many_things(folder: Path) -> bool:
    return folder in SHARED or home().is_relative_to(folder)  # the home, and what it is in


def _checkout(file: Path) -> Path | None:
    """Return the top of the git checkout that a file is in, if any."""
    for folder in file.parents:
        if os.path.exists(folder / GIT):
            return None if _is_of_many_things(folder) else folder
    return None


def _interpreter() -> Iterator[Path]:
    """Yield where this Python and its packages are."""
    for prefix in (sys.prefix, sys.base_prefix):
        yield Path(prefix)
    executable = Path(sys.executable)
    while executable.is_symlink():  # each link on the way is looked up
        yield _folder(executable)
        executable = Path(os.path.normpath(executable.parent / os.readlink(executable)))
    yield _folder(executable)


@cached
def _tools(commands: Sequence[str], places: Sequence[str], home_folder: Path) -> frozenset[Path]:
    """Return where this Python is, and the commands that a server or its build may run.

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
            found.add(real.parent.parent if is_of_tool else _folder(real))
    return frozenset(path for path in found if not _is_of_many_things(path) and not _in_system(path))
