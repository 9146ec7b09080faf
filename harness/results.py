"""Keeps a run on disk: its description in `run.json`, then a line for each case, block and trial when it ends.

Each line is on the disk before the next block or trial starts. A line that a crash cut short is ignored when the run is
read, and cut off when the run is resumed. A run carries the number of its format; a run of another format is refused.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from harness.blocks import BlockResult
from harness.errors import HarnessError, UsageError
from harness.machines import Machine
from harness.model import FORMAT, CaseResult, Run, RunInfo, TrialResult
from harness.records import from_json, to_json, to_pretty_json

T = TypeVar("T")
INFO, CASES, TRIALS, BLOCKS = "run.json", "cases.jsonl", "trials.jsonl", "blocks.jsonl"
LATEST = "latest"
LOCK = "lock"  # a file that the process that makes a run holds a lock on
SUPERSEDED = "superseded-"  # begins the names of files with results of servers that were changed during a run


def folder() -> Path:
    """Return the folder of all runs: `results/` in the current folder."""
    return Path("results")


class Store:
    """A run that is being made: appends its results."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path, self.info = path, info

    def add_case(self, result: CaseResult) -> None:
        """Append the result of a case."""
        self._append(CASES, to_json(result))

    def add_trial(self, result: TrialResult) -> None:
        """Append the result of a trial."""
        self._append(TRIALS, to_json(result))

    def add_block(self, result: BlockResult) -> None:
        """Append the result of a block."""
        self._append(BLOCKS, to_json(result))

    def add_machines(self, machines: Mapping[str, Machine], unavailable: Mapping[str, str]) -> None:
        """Write down machines of a cluster beside those of before, and why servers can run on none.

        Machines that have gone stay in the run: it has blocks of them.

        Args:
            machines: by name.
            unavailable: the reasons of today, by "spec/server".
        """
        known = {**self.info.machines, **machines}
        self._rewrite(msgspec.structs.replace(self.info, machines=known, unavailable=dict(unavailable)))

    def set_unbuilt(self, reasons: Mapping[str, str]) -> None:
        """Write down why builds failed, by "spec/server"; servers that are not named are built."""
        self._rewrite(msgspec.structs.replace(self.info, unbuilt=dict(reasons)))

    def _rewrite(self, info: RunInfo) -> None:
        self.info = info
        with _report_a_full_disk(self.path):
            _replace(self.path / INFO, to_pretty_json(info) + b"\n")

    def _append(self, name: str, line: bytes) -> None:
        with _report_a_full_disk(self.path), open(self.path / name, "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _report_a_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"{path} cannot be written: {error.strerror}; the results so far are kept, and "
            f"`harness run --resume {path.name}` continues from there"
        ) from None


def create(info: RunInfo) -> Store:
    """Create the folder of a new run; `results/latest` points to it from now on."""
    path = folder() / info.id
    try:
        path.mkdir(parents=True)
        (path / INFO).write_bytes(to_pretty_json(info) + b"\n")
        for name in (CASES, TRIALS, BLOCKS):
            (path / name).touch()
    except OSError as error:
        raise HarnessError(
            f"{path} cannot be written: {error.strerror}; change to a folder in which results can be kept"
        ) from None
    _claim(path)
    with suppress(OSError):  # there are file systems without links; the newest run can be found without
        _link_latest(info.id)
    return Store(path, info)


_claimed: dict[Path, IO[bytes]] = {}  # the runs that this process makes, with their open lock files


def _claim(path: Path) -> None:
    """Make this process the one that adds results to a run, until it ends; raise UsageError if another one is."""
    if path in _claimed:
        return
    with suppress(OSError):  # a folder that is read-only, a file system without locks
        file = open(path / LOCK, "ab")  # noqa: SIM115 - the lock ends when it is closed
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path.name} is being made by another process") from None
        _claimed[path] = file


def _link_latest(run: str) -> None:
    # Two runs may start in the same moment, and each replaces the link as a whole.
    temporary = folder() / f".{LATEST}-{run}"
    temporary.symlink_to(run)
    try:
        temporary.replace(folder() / LATEST)
    except OSError:
        temporary.unlink()
        raise


def every() -> list[Path]:
    """Return the folders of all runs, the oldest first."""
    return sorted(path for path in folder().glob("*") if (path / INFO).is_file() and not path.is_symlink())


def find(name: str | None) -> Path:
    """Return the folder of a run: by its id, by a path, or (None) the latest; UsageError when there is none."""
    known = [path.name for path in every()]
    newest = [folder() / known[-1]] if known and name in (None, LATEST) else []
    for path in (folder() / (name or LATEST), Path(name or LATEST), *newest):
        if (path / INFO).is_file():
            return path.resolve()
    raise UsageError(
        (f'there is no run "{name}"' if name else f"there is no run in {folder()}/")
        + (f"; the newest are {', '.join(known[-3:])}" if known else "; make one with `harness run --all`")
    )


class _Header(msgspec.Struct):
    """What every format of `run.json` has; the first one had no number."""

    format: int = 1
    version: str = "?"


def read(path: Path) -> Run:
    """Return a run as it stands on disk.

    Raises:
        UsageError: the run has another format, or a line is no record; the message names file and line.
    """
    text = (path / INFO).read_bytes()
    try:
        header = from_json(text, _Header)
        if header.format != FORMAT:
            raise UsageError(
                f"{path.name} has format {header.format}, written by zillions {header.version}; this harness reads "
                f"format {FORMAT} only: make the run again, or read it with that version"
            )
        info = from_json(text, RunInfo)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path / INFO}: {error}") from None
    return Run(
        info,
        cases=list(_lines(path / CASES, CaseResult)),
        trials=list(_lines(path / TRIALS, TrialResult)),
        blocks=list(_lines(path / BLOCKS, BlockResult)),
    )


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    if not path.exists():
        return
    complete, _, _cut_short = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            yield from_json(line, kind)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}, line {number}: {error}") from None


def set_aside(path: Path, run: Run, servers: Collection[str]) -> tuple[Store, Run]:
    """Return a run without the results of some servers, which are moved to files that no report reads.

    Args:
        path: the folder of the run.
        run: the run as it was read, with the description to write.
        servers: "spec/server".
    """
    cases, trials, blocks = [], [], []
    with _report_a_full_disk(path):
        for case in run.cases:
            kept = f"{case.spec}/{case.implementation}" not in servers
            cases.append(case) if kept else _append(path / f"{SUPERSEDED}{CASES}", case)
        for trial in run.trials:
            kept = f"{trial.plan.spec}/{trial.plan.implementation}" not in servers
            trials.append(trial) if kept else _append(path / f"{SUPERSEDED}{TRIALS}", trial)
        for block in run.blocks:
            names = {entry.name for entry in block.entries if f"{block.spec}/{entry.name}" in servers}
            if names:
                _append(path / f"{SUPERSEDED}{BLOCKS}", block)
            if (kept_block := block.without(names)).entries:
                blocks.append(kept_block)
        _replace(path / CASES, b"".join(to_json(case) + b"\n" for case in cases))
        _replace(path / TRIALS, b"".join(to_json(trial) + b"\n" for trial in trials))
        _replace(path / BLOCKS, b"".join(to_json(block) + b"\n" for block in blocks))
        _replace(path / INFO, to_pretty_json(run.info) + b"\n")
    return Store(path, run.info), Run(run.info, cases, trials, blocks)


def _append(path: Path, record: CaseResult | TrialResult | BlockResult) -> None:
    with open(path, "ab") as file:
        file.write(to_json(record) + b"\n")


def _replace(path: Path, data: bytes) -> None:
    # A crash leaves the old file or the new one.
    temporary = path.with_suffix(".new")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def reopen(path: Path) -> tuple[Store, Run]:
    """Return a run to resume, and its results so far; a line that was cut short is cut off.

    Raises:
        UsageError: it cannot be read (see `read`), or another process is making it.
    """
    run = read(path)
    _claim(path)
    for name in (CASES, TRIALS, BLOCKS):
        file = path / name
        data = file.read_bytes() if file.exists() else b""
        if not data.endswith(b"\n") and data:
            with open(file, "r+b") as open_file:
                open_file.truncate(data.rfind(b"\n") + 1)
    return Store(path, run.info), run
