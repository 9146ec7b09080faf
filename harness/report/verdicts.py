"""The results of a check as text: a line for each server, and each broken requirement once."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from harness import plugins
from harness.model import CaseResult, CheckResult, Evidence, Level, Verdict
from harness.report.facts import usage_text
from harness.requirements import text as requirements

SHOWN = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.ERROR)
INDENT = " " * 8
LABEL_WIDTH = 13
SPEC_WIDTH = 10
OTHER_WORDS = {
    Verdict.FAIL: "failed",
    Verdict.WARN: "warned",
    Verdict.INFO: "info",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.UNKNOWN: "unknown",
    Verdict.BLOCKED: "blocked",
    Verdict.ERROR: "harness errors",
}


def server_label(spec: str, name: str, *, with_spec: bool) -> str:
    """Return the beginning of a line about a server.

    Args:
        spec: the name of its spec.
        name: its own name.
        with_spec: whether the spec is shown.
    """
    return f"{spec + ' ' if with_spec else '':{SPEC_WIDTH if with_spec else 0}}{name:12}"


def verdict_line(check: CheckResult, *, with_spec: bool = False) -> str:
    """Return a line for a server, e.g. "asyncio      pass  81/81, 5 info"."""
    label = server_label(check.spec, check.implementation, with_spec=with_spec)
    if check.verdict is Verdict.UNSUPPORTED:
        return f"{label} unavailable: {check.message}"
    if check.message:
        return f"{label} {check.verdict:7} " + check.message.replace("\n", f"\n{INDENT}")
    counts = [f"{check.passed}/{check.total}"]
    counts += [f"{count} {word}" for verdict, word in OTHER_WORDS.items() if (count := check.count(verdict))]
    verdict = check.verdict.upper() if check.verdict is Verdict.FAIL else check.verdict
    return f"{label} {verdict:7} {', '.join(counts)}"


def failure_details(check: CheckResult, *, width: int, verbose: bool, scripts: Path | None) -> str:
    """Return what did not pass, each broken requirement once.

    Args:
        check: the results of one server.
        width: columns of the terminal.
        verbose: whether to list all cases as well, with what their servers used.
        scripts: the folder of the scripts that reproduce failures; None if they could not be written.
    """
    parts = []
    broken: dict[tuple[str, Verdict], list[CaseResult]] = {}
    for case in check.cases:
        if case.verdict in SHOWN:
            # The last requirement is the one that broke, when it is not one of the case's own.
            broken.setdefault((case.requirements[-1], case.verdict), []).append(case)
    order = list(Verdict)
    for (requirement, verdict), cases in sorted(broken.items(), key=lambda item: order.index(item[0][1])):
        parts.append(_broken_requirement(check.spec, requirement, verdict, cases, width, scripts))
    if verbose:
        parts += [line for case in check.cases if case.verdict is not Verdict.BLOCKED for line in _case_lines(case)]
    return "\n".join(parts)


def _case_lines(case: CaseResult) -> list[str]:
    message = f": {case.message}" if case.message and case.verdict not in SHOWN else ""
    return [f"  {case.verdict:5} {case.id}{message}", *(f"{INDENT}{usage_text(used)}" for used in case.used)]


def _broken_requirement(
    spec: str, requirement_id: str, verdict: Verdict, cases: Sequence[CaseResult], width: int, scripts: Path | None
) -> str:
    requirement = requirements.of(plugins.specs()[spec])[requirement_id]
    first, *others = cases
    lines = [f"  {verdict.upper():5} {requirement_id} ({requirement.level}) {first.id}"]
    lines += _item("seen", first.message, width)
    if verdict is not Verdict.ERROR:
        lines += _item("expected", (first.evidence and first.evidence.expected) or requirement.right, width)
        lines += _item("requirement", requirement.text, width)
        if not first.states_cause:
            lines += _item("likely", requirement.bug, width)
    if first.evidence:
        lines += _evidence_lines(first.evidence, first.id, verdict, width, scripts)
    if others:
        lines += _item("also in", ", ".join(case.id for case in others), width)
    return "\n".join(lines)


def _evidence_lines(evidence: Evidence, case: str, verdict: Verdict, width: int, scripts: Path | None) -> list[str]:
    lines = []
    if verdict is Verdict.FAIL and evidence.drawing:
        lines += ["", *_verbatim(evidence.drawing, width), ""]
    if verdict is Verdict.FAIL and evidence.transcript:
        lines += _item("wire", "c0 is client 0; → to the server, ← from it", width)
        lines += _verbatim(evidence.transcript, width)
    if evidence.script and scripts:
        lines += _item("script", f"{scripts / evidence.file} reproduces it", width)
    if evidence.seed is not None:
        lines += _item("seed", f"{evidence.seed}; repeat: -k {case.partition('[')[0]} --seed {evidence.seed}", width)
    return lines


def _verbatim(text: str, width: int) -> list[str]:
    return [f"{INDENT}{line}"[:width].rstrip() for line in text.splitlines()]


def _item(label: str, text: str, width: int) -> list[str]:
    """Return the lines of a text behind a label, aligned."""
    first, *rest = text.splitlines() or [""]
    lines = _wrapped(first, width, f"{INDENT}{label + ':':{LABEL_WIDTH}}")
    for paragraph in rest:
        lines += _wrapped(paragraph, width, INDENT + " " * LABEL_WIDTH)
    return lines


def _wrapped(text: str, width: int, initial: str) -> list[str]:
    indent = " " * len(initial)
    return textwrap.wrap(
        text, width, initial_indent=initial, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def check_summary(results: Sequence[CheckResult]) -> str:
    """Return the last line of a check: how many servers pass, fail, and are unavailable."""
    passed = sum(check.verdict is Verdict.PASS for check in results)
    failed = sum(check.verdict is Verdict.FAIL for check in results)
    unavailable = sum(check.verdict is Verdict.UNSUPPORTED for check in results)
    text = f"{passed} of {len(results)} servers pass every {Level.MUST}"
    text += f", {failed} {'fails' if failed == 1 else 'fail'}" if failed else ""
    return text + (f", {unavailable} {'is' if unavailable == 1 else 'are'} unavailable" if unavailable else "")
