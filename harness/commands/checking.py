"""What `check` and `run` have in common: showing the progress of a check, and writing its reports."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from harness.commands.standard_streams import print_error
from harness.conformance.pool import Watcher
from harness.errors import HarnessError, ReaderLeft, first_of
from harness.model import Case, CaseResult, CheckResult, Implementation, Verdict
from harness.report.formats.json_junit import conformance, junit
from harness.report.progress import ProgressBar
from harness.report.verdicts import failure_details, verdict_line

SCRIPTS = "scripts"  # the folder for them, in results/ or in a run


def watcher(bar: ProgressBar, keep: Callable[[CaseResult], None] = lambda result: None) -> Watcher:
    """Return a watcher that moves the bar, and hands each result to `keep`, which by default keeps nothing."""

    def started(implementation: Implementation, case: Case) -> None:
        bar.show(f"{implementation.name}: {case.id}")

    def ended(result: CaseResult) -> None:
        keep(result)
        bar.advance()

    return Watcher(case_started=started, case_ended=ended, planned=bar.expect)


def announce(
    bar: ProgressBar,
    result: CheckResult,
    *,
    width: int,
    scripts: Path,
    with_spec: bool = False,
    verbose: bool = False,
    took: str = "",
) -> None:
    """Print the verdict on a server, and write the scripts that reproduce its failures.

    Where their folder cannot be written, they go to a temporary one.

    Args:
        bar: the progress bar, above which it is printed.
        result: the verdict.
        width: of the terminal, in columns.
        scripts: the folder for the scripts.
        with_spec: name the spec as well.
        verbose: list every case.
        took: how long it took, to be shown behind the verdict.
    """
    folder, note = _place_scripts(result, scripts)
    bar.print(verdict_line(result, with_spec=with_spec) + (took and f", {took}"))
    if more := failure_details(result, width=width, verbose=verbose, scripts=folder):
        bar.print(more)
    if note:
        bar.print(f"        {note}")


def _place_scripts(result: CheckResult, wanted: Path) -> tuple[Path | None, str]:
    """Write the scripts of a server; return their folder, and a sentence if it is not the wanted one."""
    try:
        _write_scripts(result, wanted)
        return wanted, ""
    except OSError as error:
        problem = f"{wanted} cannot be written ({error.strerror})"
    try:
        elsewhere = _temporary_scripts()
        _write_scripts(result, elsewhere)
        return elsewhere, f"{problem}: the scripts that reproduce failures are in {elsewhere}"
    except OSError:
        return None, f"{problem}, nor can a temporary folder: there are no scripts that reproduce failures"


@cache
def _temporary_scripts() -> Path:
    """Create the folder that has the scripts of this process if their own one cannot be written."""
    return Path(tempfile.mkdtemp(prefix="zillions-scripts-"))


def _write_scripts(result: CheckResult, folder: Path) -> None:
    for case in result.cases:
        if case.evidence and case.evidence.script:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / case.evidence.file
            file.write_text(case.evidence.script, "utf-8")
            file.chmod(0o755)


def why_unbuilt(results: Sequence[CheckResult]) -> dict[str, str]:
    """Return why builds failed, by "spec/server", from the results of a check."""
    return {
        f"{result.spec}/{result.implementation}": result.message
        for result in results
        if result.verdict is Verdict.UNKNOWN and not result.cases
    }


@contextmanager
def cut_short(cases: Callable[[], Sequence[CaseResult]]) -> Iterator[None]:
    """Give a check that ends early the status of what it has found: 1 if a MUST has failed so far, otherwise 3.

    Args:
        cases: returns the results so far.

    Raises:
        ReaderLeft: the reader of standard output has left.
        HarnessError: the check could not go on, e.g. because the disk is full.
    """
    try:
        yield
        sys.stdout.flush()
    except (HarnessError, BaseExceptionGroup) as error:
        first = first_of(error)
        failed = any(case.verdict is Verdict.FAIL for case in cases())
        if isinstance(first, ReaderLeft):
            raise ReaderLeft(1 if failed else HarnessError.exit_status) from None
        if failed and isinstance(first, HarnessError) and first.exit_status == HarnessError.exit_status:
            first.exit_status = 1
        raise


def write_reports(results: Sequence[CheckResult], json_file: Path | None, junit_file: Path | None) -> int:
    """Write the verdicts to files, and print why one cannot be written; return 3 in that case, otherwise 0.

    Args:
        results: of the checks.
        json_file: for JSON; None for no such file.
        junit_file: for JUnit XML; None for no such file.
    """
    status = 0
    for path, text in ((json_file, conformance), (junit_file, junit)):
        if path:
            try:
                write_text(path, text(results))
            except HarnessError as error:
                print_error(str(error))
                status = error.exit_status
    return status


def write_text(path: Path, text: str) -> None:
    """Write a text file; raise HarnessError when that fails."""
    try:
        path.write_text(text, "utf-8", errors="surrogateescape")
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror}") from None
