"""The sandboxes of servers and builds: which files each sees besides the system."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.model import Implementation
from harness.processes.sandbox import MIB, Sandbox
from harness.zoo import cache
from harness.zoo.toolchains import needs
from harness.zoo.toolchains.places import folder_of, in_system, is_of_many_things, places_of

GIT = ".git"  # it may hold a token, and every version of every file

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
    own = [folder for file in files for each in {file, file.resolve()} for folder in (_checkout(each), folder_of(each))]
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
    readable = {path for path in own if path and not in_system(path)} | places_of(commands)
    hidden = [path / GIT for path in sorted(readable) if os.path.exists(path / GIT)]
    return replace(sandbox, readable=tuple(readable), hidden=tuple(hidden))


def _checkout(file: Path) -> Path | None:
    """Return the top of the git checkout that a file is in, if any."""
    for folder in file.parents:
        if os.path.exists(folder / GIT):
            return None if is_of_many_things(folder) else folder
    return None
