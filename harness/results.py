"""A run on disk: what it is in `run.json`, then a line for each case and each trial, appended as it ends.

Each line is on the disk before the next trial starts. A line that was cut short by a crash is left out when the
run is read, and cut off when it is gone on with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import HarnessError, UsageError
from harness.model import CaseResult, Run, RunInfo, TrialResult
from harness.records import from_json, to_json

T = TypeVar("T")
INFO, CASES, TRIALS = "run.json", "cases.jsonl", "trials.jsonl"
LATEST = "latest"


def folder() -> Path:
    """Return where runs are kept: `results/` of the current folder."""
    return Path("results")


class Store:
    """An open run: appends to it."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path, self.info = path, info

    def add_case(self, result: CaseResult) -> None:
        """Append the result of a case."""
        self._append(CASES, to_json(result))

    def add_trial(self, result: TrialResult) -> None:
        """Append the result of a trial."""
        self._append(TRIALS, to_json(result))

    def _append(self, name: str, line: bytes) -> None:
        with _told_when_full(self.path), open(self.path / name, "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _told_when_full(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"{path} cannot be written: {error.strerror}; what was measured before is kept, and "
            f"`harness run --resume {path.name}` goes on from there"
        ) from None


def create(info: RunInfo) -> Store:
    """Make the folder of a new run; `results/latest` names it from now on."""
    path = folder() / info.id
    with _told_when_full(path):
        path.mkdir(parents=True)
        (path / INFO).write_bytes(msgspec.json.format(to_json(info)) + b"\n")
        for name in (CASES, TRIALS):
            (path / name).touch()
        link = folder() / LATEST
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(info.id)
    return Store(path, info)


def find(name: str | None) -> Path:
    """Return the folder of a run: by its id, by a path, or (None) the latest; UsageError when there is none."""
    for path in (folder() / (name or LATEST), Path(name or LATEST)):
        if (path / INFO).is_file():
            return path.resolve()
    known = sorted(path.name for path in folder().glob("*") if (path / INFO).is_file() and not path.is_symlink())
    raise UsageError(
        (f'there is no run "{name}"' if name else f"there is no run in {folder()}/")
        + (f"; the newest are {', '.join(known[-3:])}" if known else "; make one with `harness run --all`")
    )


def read(path: Path) -> Run:
    """Return a run as it stands on disk; raise UsageError, with file and line, for a line that is no record."""
    try:
        info = from_json((path / INFO).read_bytes(), RunInfo)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path / INFO}: {error}") from None
    return Run(info, list(_lines(path / CASES, CaseResult)), list(_lines(path / TRIALS, TrialResult)))


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    if not path.exists():
        return
    whole, _, _cut_short = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            yield from_json(line, kind)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}, line {number}: {error}") from None


def reopen(path: Path) -> tuple[Store, Run]:
    """Return a run to go on with, and what it has so far; a line that was cut short is cut off."""
    run = read(path)
    for name in (CASES, TRIALS):
        file = path / name
        data = file.read_bytes() if file.exists() else b""
        if not data.endswith(b"\n") and data:
            with open(file, "r+b") as open_file:
                open_file.truncate(data.rfind(b"\n") + 1)
    return Store(path, run.info), run
