"""What `check` and `run` have in common: showing how a check goes, and writing its reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.conformance.pool import Watcher
from harness.errors import HarnessError
from harness.model import Case, CaseResult, CheckResult, Implementation
from harness.report.formats.json_junit import conformance, junit
from harness.report.progress import Show
from harness.report.verdicts import details, summary

SCRIPTS = "scripts"  # the folder for them, in results/ or in a run


def watcher(bar: Show, keep: Callable[[CaseResult], None] = lambda result: None) -> Watcher:
    """Return a watcher that moves the bar, and hands each result to `keep`, which by default keeps nothing."""

    def started(implementation: Implementation, case: Case) -> None:
        bar.now(f"{implementation.name}: {case.id}")

    def ended(result: CaseResult) -> None:
        keep(result)
        bar.done()

    return Watcher(case_started=started, case_ended=ended, planned=bar.expect)


def announce(
    bar: Show, one: CheckResult, *, width: int, scripts: Path, with_spec: bool = False, verbose: bool = False
) -> None:
    """Print what came of a server; write the scripts that show its failures again into a folder."""
    bar.say(summary(one, with_spec=with_spec))
    if more := details(one, width=width, verbose=verbose, scripts=scripts):
        bar.say(more)
    try:
        _write_scripts(one, scripts)
    except OSError as error:
        bar.say(f"        {scripts} cannot be written: {error.strerror}")


def _write_scripts(one: CheckResult, folder: Path) -> None:
    for case in one.cases:
        if case.evidence and case.evidence.script:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / case.evidence.file
            file.write_text(case.evidence.script, "utf-8")
            file.chmod(0o755)


def write_reports(results: Sequence[CheckResult], json_file: Path | None, junit_file: Path | None) -> None:
    """Write the files that were asked for."""
    for path, text in ((json_file, conformance), (junit_file, junit)):
        if path:
            write_text(path, text(results))


def write_text(path: Path, text: str) -> None:
    """Write a file that was asked for; raise HarnessError when that cannot be done."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror}") from None
