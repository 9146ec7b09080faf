"""Builds each server once per state of its sources, into the user's cache, and returns the command that runs it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from harness.errors import LaunchError
from harness.model import Implementation
from harness.processes.guarded import guarded
from harness.processes.output import Output
from harness.zoo import cache
from harness.zoo.toolchains import needs

BUILD_TIMEOUT_S = 600
LAST_LINES = 8  # lines of compiler output shown when a build fails
DIGEST_DIGITS = 16  # hexadecimal digits of the digest in the name of a build folder
BYPRODUCT_FOLDERS = {"__pycache__", "target"}  # created by tools next to the sources


def cache_folder() -> Path:
    """Return the folder for built servers."""
    return cache.folder() / "builds"


def build_folder(implementation: Implementation) -> Path:
    """Return the build folder for this state of the sources.

    Its name has a digest of the commands, the contents of the sources, and the installed tools.
    """
    assert implementation.source is not None
    digest = hashlib.sha256(repr((implementation.build, implementation.run, _tools(implementation))).encode())
    sources = implementation.source.parent
    for file in sorted(sources.rglob("*")):
        if file.is_file() and BYPRODUCT_FOLDERS.isdisjoint(file.relative_to(sources).parts):
            digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return cache_folder() / f"{implementation.spec}-{implementation.name}-{digest.hexdigest()[:DIGEST_DIGITS]}"


def _tools(implementation: Implementation) -> list[tuple[str, int]]:
    # An older JDK cannot run classes from a newer one, so other tools need another build. Path and mtime
    # identify a tool; asking for its version would take a process each.
    names = (need.name for need in needs.parse(implementation) if need.kind == needs.COMMAND)
    files = (Path(path).resolve() for name in names if (path := shutil.which(name)))
    return [(str(file), file.stat().st_mtime_ns) for file in files]


def command(implementation: Implementation) -> tuple[str, ...]:
    """Build a server if needed; return the command that runs it, to which the address is appended.

    Raises:
        LaunchError: the build failed; the message has the last lines of the compiler's output.
    """
    return anyio.run(ensure_built, implementation)


async def ensure_built(implementation: Implementation) -> tuple[str, ...]:
    """Build a server if needed; return the command that runs it, to which the address is appended.

    A cancelled build leaves no files.

    Raises:
        LaunchError: the build failed; the message has the last lines of the compiler's output.
    """
    if not implementation.run:
        return implementation.python or sys.executable, str(implementation.source)
    if not implementation.build:
        return implementation.run
    folder = await anyio.to_thread.run_sync(build_folder, implementation)
    if not folder.is_dir():
        await _build(implementation, folder)
    return tuple(word.replace("{build}", str(folder)) for word in implementation.run)


def is_built(implementation: Implementation) -> bool:
    """Return whether a server can start without a build."""
    return not implementation.run or not implementation.build or build_folder(implementation).is_dir()


async def try_build(implementation: Implementation) -> str:
    """Build a server if needed; return "", or why that failed with the last lines of the compiler's output."""
    try:
        await ensure_built(implementation)
    except LaunchError as error:
        return f"{error.happened}; its last words:\n{error.last_words}" if error.last_words else error.happened
    return ""


async def _build(implementation: Implementation, folder: Path) -> None:
    # Build in a temporary folder and rename it: two processes may build at once, and an interrupted build
    # must not look complete.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as temporary:
        await _compile(implementation, [word.replace("{build}", temporary) for word in implementation.build])
        _move_into_place(temporary, folder)
    for stale in folder.parent.glob(f"{implementation.spec}-{implementation.name}-{'?' * DIGEST_DIGITS}"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)


def _move_into_place(temporary: str, folder: Path) -> None:
    os.chmod(temporary, 0o755)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise
    else:
        os.mkdir(temporary)  # TemporaryDirectory expects a folder to remove


async def _compile(implementation: Implementation, words: Sequence[str]) -> None:
    assert implementation.source is not None
    output = Output()
    try:
        with anyio.fail_after(BUILD_TIMEOUT_S):
            async with guarded(
                words, folder=implementation.source.parent, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
            ) as process:
                assert process.stdout
                async for data in process.stdout:
                    output.add(data)
                status = await process.wait()
    except TimeoutError:
        raise LaunchError(implementation.name, f"cannot be built: {words[0]} took over {BUILD_TIMEOUT_S} s") from None
    if status:
        raise LaunchError(
            implementation.name,
            f"cannot be built: {words[0]} exited with status {status}",
            last_words=output.last_words(LAST_LINES),
        )
