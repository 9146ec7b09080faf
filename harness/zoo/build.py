"""Builds a server once for each state of its sources, into the user's cache; knows the command that runs it."""

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
from harness.zoo.toolchains import needs

BUILD_TIMEOUT_S = 600
LAST_LINES = 8  # of what a compiler said
DIGITS = 16  # of the digest, in a build's name
BYPRODUCTS = {"__pycache__", "target"}  # folders that tools make beside the sources


def cache_folder() -> Path:
    """Return the folder that built servers are kept in (XDG_CACHE_HOME is honoured)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zillions" / "builds"


def build_folder(implementation: Implementation) -> Path:
    """Return where this state of the sources is built to: the key is command, contents, and which tools are here."""
    assert implementation.source is not None
    digest = hashlib.sha256(repr((implementation.build, implementation.run, _tools(implementation))).encode())
    sources = implementation.source.parent
    for file in sorted(sources.rglob("*")):
        if file.is_file() and BYPRODUCTS.isdisjoint(file.relative_to(sources).parts):
            digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return cache_folder() / f"{implementation.spec}-{implementation.name}-{digest.hexdigest()[:DIGITS]}"


def _tools(implementation: Implementation) -> list[tuple[str, int]]:
    # What one JDK has compiled, an older one in its place does not run. Asking for versions would take a process each.
    names = (need.name for need in needs.of(implementation) if need.kind == needs.COMMAND)
    files = (Path(found).resolve() for name in names if (found := shutil.which(name)))
    return [(str(file), file.stat().st_mtime_ns) for file in files]


def command(implementation: Implementation) -> tuple[str, ...]:
    """Return the command to which the address is appended, building first where that is needed.

    Raises:
        LaunchError: the build failed; the message has the compiler's last words.
    """
    return anyio.run(built, implementation)


async def built(implementation: Implementation) -> tuple[str, ...]:
    """Do what `command` does; a build that is cancelled leaves nothing.

    Raises:
        LaunchError: as there.
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
    """Return whether there is nothing to do before it can be started."""
    return not implementation.run or not implementation.build or build_folder(implementation).is_dir()


async def why_not_built(implementation: Implementation) -> str:
    """Build a server if that is needed; return why that failed, with the compiler's last words, or ""."""
    try:
        await built(implementation)
    except LaunchError as error:
        return f"{error.happened}; its last words:\n{error.last_words}" if error.last_words else error.happened
    return ""


async def _build(implementation: Implementation, folder: Path) -> None:
    # Built beside its place and moved there whole: two processes may build at once, and a build that
    # was interrupted must not look like one that is done.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as fresh:
        await _compile(implementation, [word.replace("{build}", fresh) for word in implementation.build])
        _put(fresh, folder)
    for stale in folder.parent.glob(f"{implementation.spec}-{implementation.name}-{'?' * DIGITS}"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)


def _put(fresh: str, folder: Path) -> None:
    os.chmod(fresh, 0o755)
    try:
        os.rename(fresh, folder)
    except OSError:
        if not folder.is_dir():
            raise
    else:
        os.mkdir(fresh)  # so that the temporary folder's clean-up finds something


async def _compile(implementation: Implementation, words: Sequence[str]) -> None:
    assert implementation.source is not None
    said = Output()
    try:
        with anyio.fail_after(BUILD_TIMEOUT_S):
            async with guarded(
                words, folder=implementation.source.parent, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
            ) as process:
                assert process.stdout
                async for data in process.stdout:
                    said.take(data)
                status = await process.wait()
    except TimeoutError:
        raise LaunchError(implementation.name, f"cannot be built: {words[0]} took over {BUILD_TIMEOUT_S} s") from None
    if status:
        raise LaunchError(
            implementation.name,
            f"cannot be built: {words[0]} exited with status {status}",
            last_words=said.last_words(LAST_LINES),
        )
