"""The comment on a pull request: what passed, the first failure, and what changed in figures, in Markdown.

The comment begins with a line that is not displayed: by it a workflow finds the comment again, and updates it. Whatever
comes from servers and their authors is shown as code (see `harness.report.foreign_text`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness import plugins
from harness.conformance.pool import combine_results
from harness.league.live import LiveComparison
from harness.league.report_card import leagues
from harness.model import CaseResult, CheckResult, Level, Requirement, Run, Verdict
from harness.report import changes, live_comparison
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.foreign_text import code_block, code_span
from harness.report.formats.markdown import joined
from harness.requirements import text as requirements

MARKER = "<!-- zillions: the verdict on this pull request -->"
LONGEST = 60_000  # characters; GitHub refuses a comment of more than 65,536
LONGEST_SCRIPT, LONGEST_TEXT = 12_000, 6_000  # characters of a script; of a message, a transcript or a table
WIDTH = 100  # columns of a table
MAX_IDS = 8  # requirements that a sentence names
Failures = Sequence[tuple[CheckResult, CaseResult]]


def comment(run: Run, comparisons: Sequence[LiveComparison] = (), url: str = "") -> str:
    """Return the comment about a run of what a pull request touches.

    Args:
        run: the run.
        comparisons: of servers with what they were before.
        url: a page that has the whole run; "" for none.
    """
    results = [
        combine_results(server, [case for case in run.cases if case.spec == server.spec])
        for server in run.info.implementations
    ]
    failures = [
        (result, next(case for case in result.cases if case.verdict is Verdict.FAIL))
        for result in results
        if result.verdict is Verdict.FAIL
    ]
    essential = [MARKER, f"### {_headline(run, results)}", "\n".join(_verdicts(run, results))]
    parts = [*_first_failure(failures), *_figures(comparisons, len(results)), *_league(run)]
    footer = _origin(run, url)
    text = joined([*essential, *parts, footer])
    if len(text) <= LONGEST:
        return text
    short = joined([*essential, "The rest is too long for a comment; the run has all of it.", footer])
    return short if len(short) <= LONGEST else joined([MARKER, essential[1], footer])


def _headline(run: Run, results: Sequence[CheckResult]) -> str:
    failing = [result for result in results if result.verdict is Verdict.FAIL or _key(result) in run.info.unbuilt]
    passing = [result for result in results if result.verdict is Verdict.PASS]
    undecided = len(results) - len(failing) - len(passing)
    if len(results) == 1:
        (result,) = results
        name = code_span(result.implementation)
        if _key(result) in run.info.unbuilt:
            return f"{name} does not build"
        if failing:
            return f"{name} does not conform to {code_span(result.spec)}"
        return f"{name} conforms to {code_span(result.spec)}" if passing else f"No verdict on {name}"
    parts = [f"{len(passing)} of {len(results)} servers conform"]
    parts += [f"{len(failing)} {'does' if len(failing) == 1 else 'do'} not"] if failing else []
    parts += [f"{undecided} could not be judged"] if undecided else []
    return ", ".join(parts)


def _key(result: CheckResult) -> str:
    return f"{result.spec}/{result.implementation}"


def _verdicts(run: Run, results: Sequence[CheckResult]) -> Iterator[str]:
    """Yield the items of a list that says how each server did; those that did equally well share one."""
    by_words: dict[tuple[str, str], list[str]] = {}
    for result in sorted(results, key=lambda result: result.verdict is Verdict.PASS):
        by_words.setdefault((result.spec, _words(run, result)), []).append(code_span(result.implementation))
    for (spec, words), names in by_words.items():
        yield f"- {', '.join(names)} ({code_span(spec)}): {words}."


def _words(run: Run, result: CheckResult) -> str:
    if unavailable := run.info.unavailable.get(_key(result)):
        return f"not checked, because it cannot run on this machine: {_quoted(unavailable)}"
    if unbuilt := run.info.unbuilt.get(_key(result)):
        first, _, rest = unbuilt.partition("\n")
        return f"not checked, because its build failed: {_quoted(first)}{_indented(rest)}"
    if not result.cases:
        return "not checked: the run ended before its turn"
    passed = f"{result.passed} of {result.total} {'smoke ' if run.info.smoke else ''}cases passed"
    warned = _ids(result, Verdict.WARN)
    warnings = f"; a {Level.SHOULD} does not hold: {warned}" if warned else ""
    if result.verdict is Verdict.FAIL:
        return f"{_ids(result, Verdict.FAIL)} failed; {passed}{warnings}"
    if result.verdict is Verdict.PASS:
        return f"{passed}{warnings}"
    return f"no verdict ({_quoted(result.message)})" if result.message else f"no verdict; {passed}"


def _quoted(text: str) -> str:
    return code_span(text[:LONGEST_TEXT])


def _indented(text: str) -> str:
    """Return a block of code as a part of an item of a list; "" for no text."""
    if not text:
        return ""
    block = code_block(text[:LONGEST_TEXT])
    return "\n\n" + "\n".join(f"  {line}".rstrip() for line in block.splitlines()) + "\n  "


def _ids(result: CheckResult, verdict: Verdict) -> str:
    """Return the requirements of the cases with a verdict, each once."""
    # The last requirement is the one that broke, when it is not one of the case's own.
    ids = list(dict.fromkeys(case.requirements[-1] for case in result.cases if case.verdict is verdict))
    more = [f"{len(ids) - MAX_IDS} more"] if len(ids) > MAX_IDS else []
    words = [*map(code_span, ids[:MAX_IDS]), *more]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def _first_failure(failures: Failures) -> Iterator[str]:
    """Yield the paragraphs about the first failure."""
    if not failures:
        return
    result, case = failures[0]
    identifier = case.requirements[-1]
    yield f"#### The first failure: {code_span(result.implementation)}, {code_span(identifier)}"
    spec = plugins.specs().get(case.spec)
    requirement = requirements.of(spec).get(identifier) if spec else None
    if requirement:
        yield f"The requirement ({requirement.level}):"
        yield _prose(requirement.text)
    yield f"What was seen in the case {code_span(case.id)}:"
    yield _prose(case.message or "(no message)")
    yield from _evidence(case, requirement)
    others = sum(each.count(Verdict.FAIL) for each, _ in failures) - 1
    if others:
        yield (
            f"{others} more {'case fails' if others == 1 else 'cases fail'}: `harness check` shows each with its "
            "transcript and a script."
        )


def _evidence(case: CaseResult, requirement: Requirement | None) -> Iterator[str]:
    evidence = case.evidence
    if expected := (evidence and evidence.expected) or (requirement and requirement.right):
        yield "Expected:"
        yield _prose(expected)
    if requirement and not case.states_cause:
        yield "A likely cause:"
        yield _prose(requirement.bug)
    if evidence is None:
        return
    if wire := "\n\n".join(filter(None, [evidence.drawing, evidence.transcript])):
        yield from _folded("The transcript", code_block(_cut(wire, LONGEST_TEXT)))
    if evidence.script and len(evidence.script) <= LONGEST_SCRIPT:
        name = code_span(evidence.file)
        yield from _folded(
            "A script that reproduces it",
            f"Save it as {name}, start the server, and run it with the server's address.\n\n"
            + code_block(evidence.script, "python"),
        )
    elif evidence.script:
        yield f"The script that reproduces it is too long for a comment: {code_span(evidence.file)} in the run."


def _folded(summary: str, body: str) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield body
    yield "</details>"


def _figures(comparisons: Sequence[LiveComparison], servers: int) -> Iterator[str]:
    """Yield what changed in figures, whether that is distinguishable, and how many servers were compared."""
    if not comparisons:
        return
    yield "#### Figures, compared with before"
    if len(comparisons) < servers:
        yield (
            f"Servers compared: {len(comparisons)} of {servers}. New servers and those whose own source is unchanged "
            "never are; the log says why others were not."
        )
    for comparison in comparisons:
        yield " ".join([live_comparison.sentence(comparison, code_span), live_comparison.resolution(comparison)])
        shown = changes.table(comparison.changes, comparison.names, WIDTH)
        body = code_block(_cut(f"{shown}\n\n{_filled(comparison.note)}", LONGEST_TEXT))
        yield from _folded("All figures, with intervals that hold together with a probability of 95 %", body)


def _league(run: Run) -> Iterator[str]:
    """Yield the league of each spec that was measured."""
    measured = [league for league in leagues(run) if league.ranked]
    if not measured:
        return
    yield "#### Figures of this run"
    for league in measured:
        rows = table(league, width=WIDTH, style="simple")
        body = code_block(_cut("\n\n".join([rows, *map(_filled, findings(league))]), LONGEST_TEXT))
        yield from _folded(f"The league of {len(league.ranked)} of this run's servers", body)


def _origin(run: Run, url: str) -> str:
    link = f" [The whole run]({url})." if url else ""
    info, machine = run.info, run.info.machine
    where = f"{machine.processor}, {machine.cores} cores, {machine.kernel}"
    return (
        f"Run {code_span(info.id)} on {code_span(where)}; commit {code_span(info.commit or 'unknown')}. Figures "
        f"compare servers within one run only; a pass is no proof.{link}"
    )


def _prose(text: str) -> str:
    """Return sentences as a block of code, whose lines GitHub does not break."""
    return code_block(_filled(_cut(text, LONGEST_TEXT)))


def _filled(text: str) -> str:
    return "\n".join(textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in text.splitlines())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…\n({len(text)} characters; the run has all of them)"
