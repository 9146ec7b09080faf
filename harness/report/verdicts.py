"""What came of a check, in words: a line a server, and each broken requirement once."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from harness import plugins
from harness.model import CaseResult, CheckResult, Evidence, Level, Verdict
from harness.report.facts import in_short
from harness.requirements import text as requirements

TOLD = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.ERROR)
INDENT = " " * 8
SPEC_WIDTH = 10
OTHER_WORDS = {
    Verdict.FAIL: "failed",
    Verdict.WARN: "warned",
    Verdict.INFO: "told",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.UNKNOWN: "unknown",
    Verdict.BLOCKED: "blocked",
    Verdict.ERROR: "harness errors",
}


def name_of(spec: str, name: str, *, with_spec: bool) -> str:
    """Return how a line begins that tells of a server."""
    return f"{spec + ' ' if with_spec else '':{SPEC_WIDTH if with_spec else 0}}{name:12}"


def summary(one: CheckResult, *, with_spec: bool = False) -> str:
    """Return a line for a server, e.g. "asyncio      pass  81/81, 5 told"."""
    name = name_of(one.spec, one.implementation, with_spec=with_spec)
    if one.verdict is Verdict.UNSUPPORTED:
        return f"{name} not here: {one.message}"
    if one.message:
        return f"{name} {one.verdict:7} " + one.message.replace("\n", f"\n{INDENT}")
    counts = [f"{one.passed}/{one.total}"]
    counts += [f"{count} {word}" for verdict, word in OTHER_WORDS.items() if (count := one.count(verdict))]
    verdict = one.verdict.upper() if one.verdict is Verdict.FAIL else one.verdict
    return f"{name} {verdict:7} {', '.join(counts)}"


def details(one: CheckResult, *, width: int, verbose: bool, scripts: Path) -> str:
    """Return what did not pass, each broken requirement once, and with `verbose` all cases and what they used.

    Args:
        scripts: the folder of the scripts that show failures again.
    """
    parts = []
    broken: dict[tuple[str, Verdict], list[CaseResult]] = {}
    for case in one.cases:
        if case.verdict in TOLD:
            # The last requirement is the one that broke, when a case met another than its own.
            broken.setdefault((case.requirements[-1], case.verdict), []).append(case)
    order = list(Verdict)
    for (requirement, verdict), cases in sorted(broken.items(), key=lambda item: order.index(item[0][1])):
        parts.append(_told(one.spec, requirement, verdict, cases, width, scripts))
    if verbose:
        parts += [line for case in one.cases if case.verdict is not Verdict.BLOCKED for line in _listed(case)]
    return "\n".join(parts)


def _listed(case: CaseResult) -> list[str]:
    said = f": {case.message}" if case.message and case.verdict not in TOLD else ""
    return [f"  {case.verdict:5} {case.id}{said}", *(f"{INDENT}{in_short(used)}" for used in case.used)]


def _told(spec: str, requirement: str, verdict: Verdict, cases: Sequence[CaseResult], width: int, scripts: Path) -> str:
    clause = requirements.of(plugins.specs()[spec])[requirement]
    first, *others = cases
    lines = [f"  {verdict.upper():5} {requirement} ({clause.level}) {first.id}"]
    lines += _item("seen", first.message, width)
    if verdict is not Verdict.ERROR:
        lines += _item("expected", (first.evidence and first.evidence.expected) or clause.right, width)
        lines += _item("clause", clause.text, width)
        if not first.states_cause:
            lines += _item("likely", clause.bug, width)
    if first.evidence:
        lines += _shown(first.evidence, first.id, verdict, width, scripts)
    if others:
        lines += _item("also in", ", ".join(case.id for case in others), width)
    return "\n".join(lines)


def _shown(evidence: Evidence, case: str, verdict: Verdict, width: int, scripts: Path) -> list[str]:
    lines = []
    if verdict is Verdict.FAIL and evidence.drawing:
        lines += ["", *_as_it_is(evidence.drawing, width), ""]
    if verdict is Verdict.FAIL and evidence.transcript:
        lines += _item("wire", "c0 is client 0; → to the server, ← from it", width)
        lines += _as_it_is(evidence.transcript, width)
    if evidence.script:
        lines += _item("script", f"{scripts / evidence.file} shows it again", width)
    if evidence.seed is not None:
        lines += _item("seed", f"{evidence.seed}: -k {case.partition('[')[0]} --seed {evidence.seed} repeats it", width)
    return lines


def _as_it_is(text: str, width: int) -> list[str]:
    return [f"{INDENT}{line}"[:width].rstrip() for line in text.splitlines()]


def _item(name: str, text: str, width: int) -> list[str]:
    """Return a text behind its name, all its lines under each other."""
    first, *rest = text.splitlines() or [""]
    lines = _wrapped(first, width, f"{INDENT}{name + ':':10}")
    for paragraph in rest:
        lines += _wrapped(paragraph, width, INDENT + " " * 10)
    return lines


def _wrapped(text: str, width: int, initial: str) -> list[str]:
    indent = " " * len(initial)
    return textwrap.wrap(
        text, width, initial_indent=initial, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def closing(results: Sequence[CheckResult]) -> str:
    """Return the last line of a check: how many passed, and what that means."""
    passed = sum(one.verdict is Verdict.PASS for one in results)
    failed = sum(one.verdict is Verdict.FAIL for one in results)
    absent = sum(one.verdict is Verdict.UNSUPPORTED for one in results)
    told = f"{passed} of {len(results)} servers pass every {Level.MUST}"
    told += f", {failed} {'fails' if failed == 1 else 'fail'}" if failed else ""
    return told + (f", {absent} {'is' if absent == 1 else 'are'} not here" if absent else "")
