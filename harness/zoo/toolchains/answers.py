"""Caches the answers of tools, so that a command that only shows them need not wait for compilers and interpreters.

Asking all the tools of the zoo takes half a second on two cores. `harness list` reuses the answers of an earlier
command while the machine looks the same: the same search paths, and no change to the folders on them, to the headers
and libraries, or to the installed packages. Commands that act on the answers (`check`, `run`, `doctor`) ask again.
"""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from harness.processes import sandbox
from harness.processes.warden import under_warden
from harness.toolchain import ToolOutput, run_query
from harness.zoo.toolchains.places import places_of

MAX_AGE_S = 3600.0  # a limit for changes that the fingerprint does not show, e.g. of a setting of the kernel
FOLDERS = ("/usr/include", "/usr/local/include", "/usr/lib", "/usr/local/lib", "/var/lib/dpkg/status")


class Memory(msgspec.Struct, frozen=True):
    """The file of answers.

    Attributes:
        machine: the fingerprint of the machine (see `fingerprint`).
        asked_s: the time of the oldest answer, in seconds since the epoch.
        answers: command line → answer.
    """

    machine: str
    asked_s: float
    answers: dict[str, ToolOutput]


_known: dict[str, ToolOutput] = {}
_asked: dict[str, ToolOutput] = {}


def query(words: Sequence[str], *, is_declared: bool = False) -> ToolOutput:
    """Return the answer of a tool, from the cache if it is there (see `remembered`).

    Where servers run in a sandbox, tools are asked in one too: a stranger's manifest may name any command.

    Args:
        words: the command and its arguments.
        is_declared: whether a server's own manifest has it; it leaves no process behind then.
    """
    key = shlex.join(words)
    if key in _known:
        return _known[key]
    inside: Sequence[str] = ()
    if sandbox.is_on():
        inside = sandbox.Sandbox(readable=tuple(places_of(words[:1])), ends_with_parent=True).wrap(())
    is_guarded = is_declared or bool(inside)
    _asked[key] = answer = run_query(words, under=(lambda pipe: [*under_warden(pipe), *inside]) if is_guarded else None)
    return answer


@contextmanager
def remembered(folder: Path | None) -> Iterator[None]:
    """Use the answers of earlier commands for the length of the context, and keep new ones.

    Args:
        folder: where the file of answers is; None for no such file.
    """
    if folder is None:
        yield
        return
    file, machine = folder / "answers.json", fingerprint()
    memory = Memory(machine, time.time(), {})
    with suppress(OSError, msgspec.MsgspecError):
        stored = msgspec.json.decode(file.read_bytes(), type=Memory)
        if stored.machine == machine and 0 <= time.time() - stored.asked_s < MAX_AGE_S:
            memory = stored
    _asked.clear()
    _known.update(memory.answers)
    try:
        yield
    finally:
        _known.clear()
    if _asked:
        with suppress(OSError):
            _write(file, Memory(machine, memory.asked_s, memory.answers | _asked))


def _write(file: Path, memory: Memory) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}")  # two commands may write at once
    temporary.write_bytes(msgspec.json.encode(memory))
    temporary.replace(file)


def fingerprint() -> str:
    """Return a text that changes when something is installed or removed, or the search paths change."""
    variables = sorted(f"{name}={value}" for name, value in os.environ.items() if name.endswith(("PATH", "_HOME")))
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *FOLDERS]
    times = []
    for folder in folders:
        with suppress(OSError):
            times.append(f"{folder} {os.stat(folder).st_mtime_ns}")
    return "\n".join([platform.release(), *variables, *times])
