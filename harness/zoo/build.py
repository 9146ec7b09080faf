"""Builds each server once per state of its sources, into the user's cache, and returns the command that runs it."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from harness.errors import LaunchError
from harness.model import Implementation
from harness.processes import sandbox, warden
from harness.processes.guarded import guarded
from harness.processes.output import Output
from harness.processes.sandbox_limits import what_exceeds
from harness.processes.tasks import background_tasks
from harness.zoo import cache, sandboxes, variables
from harness.zoo.cache import NoCache
from harness.zoo.toolchains import needs

BUILD_TIMEOUT_S = 600
LAST_LINES = 8  # lines of compiler output shown when a build fails
STALE_S = 7 * 24 * 3600.0  # after this long without use, a build of an earlier state of the sources is removed
LOOK_S = 0.5  # between two looks at what a build in a sandbox uses
DIGEST_DIGITS = 16  # hexadecimal digits of the digest in the name of a build folder
BYPRODUCTS = {"__pycache__", "target", "node_modules", "results", ".git"}  # created by tools next to the sources


def build_folder(implementation: Implementation) -> Path:
    """Return the build folder for this state of the sources.

    Its name has a digest of the commands, the contents of the sources, the installed tools, and what changes what they
    make.

    Raises:
        NoCache: there is no folder for the cache.
    """
    commands = (implementation.build, implementation.run, _tools(implementation))
    of_compilers = variables.of_compilers()
    digest = _digest(_sources(implementation), repr((*commands, of_compilers) if of_compilers else commands))
    return cache.builds() / f"{implementation.spec}-{implementation.name}-{digest}"


def source_digest(implementation: Implementation) -> str:
    """Return a digest of a server's sources without its documentation, or of its executable."""
    executables = [Path(word) for word in implementation.run if os.path.isabs(word)]
    return _digest([file for file in _sources(implementation) if file.suffix != ".md"] + executables)


def _sources(implementation: Implementation) -> list[Path]:
    """Return the files in the folder of a server's source, and below; none for a bare executable."""
    if implementation.source is None:
        return []
    folder = implementation.source.parent
    return [file for file in sorted(folder.rglob("*")) if BYPRODUCTS.isdisjoint(file.relative_to(folder).parts)]


def _digest(files: Iterable[Path], more: str = "") -> str:
    """Return a digest of the names and contents of files, and of a text."""
    digest = hashlib.sha256(more.encode("utf-8", "surrogateescape"))
    for file in files:
        if file.is_file():
            digest.update(os.fsencode(f"{file.name}\0") + file.read_bytes())
    return digest.hexdigest()[:DIGEST_DIGITS]


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
        if _cannot_be_run(implementation):
            raise LaunchError(
                implementation.name,
                f"cannot be run: {implementation.run[0]} is on a file system that is mounted with noexec; "
                "copy it to another one",
            )
        return implementation.run
    try:
        folder = await anyio.to_thread.run_sync(build_folder, implementation)
        if not folder.is_dir():
            await _build(implementation, folder)
        cache.check_programs_can_run(folder)
    except NoCache as error:
        raise LaunchError(implementation.name, f"cannot be built: {error}") from None
    with suppress(OSError):
        os.utime(folder)  # it is in use
    return tuple(word.replace("{build}", str(folder)) for word in implementation.run)


def is_built(implementation: Implementation) -> bool:
    """Return whether a server can start without a build."""
    try:
        if not implementation.run or not implementation.build:
            return not _cannot_be_run(implementation)
        return build_folder(implementation).is_dir()
    except NoCache:
        return False


def _cannot_be_run(implementation: Implementation) -> bool:
    """Return whether the file system of an executable that needs no build prevents that it is run."""
    file = "".join(implementation.run[:1])
    return os.path.isabs(file) and os.path.exists(file) and cache.is_noexec(Path(file))


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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        cache.check_programs_can_run(folder.parent)  # some compilers run what they have built
        building = tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-")
    except OSError as error:
        raise NoCache(f"{folder.parent} cannot be written ({error.strerror}): {cache.WHAT_TO_SET}") from None
    with building as temporary:
        await _compile(implementation, Path(temporary))
        _move_into_place(temporary, folder)
    _remove_stale_builds(implementation, folder)


def _remove_stale_builds(implementation: Implementation, folder: Path) -> None:
    """Remove builds of a server that were not used for long: another harness may be using the others right now."""
    for other in folder.parent.glob(f"{implementation.spec}-{glob.escape(implementation.name)}-{'?' * DIGEST_DIGITS}"):
        with suppress(OSError):
            if other != folder and time.time() - other.stat().st_mtime > STALE_S:
                shutil.rmtree(other, ignore_errors=True)


def _move_into_place(temporary: str, folder: Path) -> None:
    os.chmod(temporary, 0o755)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise
    else:
        os.mkdir(temporary)  # TemporaryDirectory expects a folder to remove


async def _compile(implementation: Implementation, into: Path) -> None:
    assert implementation.source is not None
    words = [word.replace("{build}", str(into)).replace("{python}", sys.executable) for word in implementation.build]
    command, folder, environment = words, implementation.source.parent, {cache.VARIABLE: str(cache.base())}
    if sandbox.is_on():
        command, environment = sandboxes.of_build(implementation, into).wrap(words, folder=folder), {}
    output = Output()
    try:
        with anyio.fail_after(BUILD_TIMEOUT_S):
            async with (
                guarded(
                    command,
                    folder=folder,
                    environment=environment,
                    without=variables.of_other_builds(),
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.STDOUT,
                ) as process,
                background_tasks() as tasks,
            ):
                if sandbox.is_on():
                    tasks.start_soon(_keep_within_limits, process, into, output)
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


async def _keep_within_limits(process: Process, into: Path, output: Output) -> None:
    """End a build in a sandbox when it uses too much, and add to its output why.

    Args:
        process: the warden of the build.
        into: where it writes.
        output: what it has printed.
    """
    while True:
        await anyio.sleep(LOOK_S)  # the kernel does not report it
        outer_and_init = warden.descendants(process.pid)[:2]
        if len(outer_and_init) == 2 and (exceeded := what_exceeds(outer_and_init[1], into)):
            output.add(f"\n{exceeded}\n".encode())
            with suppress(ProcessLookupError):
                os.kill(outer_and_init[1], signal.SIGKILL)
            return
