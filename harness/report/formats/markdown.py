"""The leagues of a run as Markdown: every row, every figure, and the conditions."""

from __future__ import annotations

from collections.abc import Iterable

from harness.league.kinds_of_machines import by_kind
from harness.league.report_card import League, leagues
from harness.model import Run
from harness.plugins import Reporter, ReportView, hookimpl
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.foreign_text import code_span
from harness.report.formats.terminal import origin, unranked_notes
from harness.report.other_workloads import other_workloads
from harness.report.references import references

WIDTH = 1000


def render(run: Run, view: ReportView) -> str:
    """Return the leagues of a run, with the command and the machine that made them."""
    parts: list[str] = []
    ordered = leagues(run, view.by, view.weights)
    several = len(ordered) > 1
    for league in ordered:
        if several:
            parts.append(f"### {league.spec}")
        parts += league_parts(league)
    for title, part in by_kind(run):
        for league in leagues(part, view.by, view.weights):
            parts += [f"#### {league.spec}, only on {title}", table(league, width=WIDTH, style="github")]
    return joined([*parts, origin(run.info)])


def league_parts(league: League) -> list[str]:
    """Return the tables of a league, its findings, the unranked servers and the conditions.

    Why a server is unranked may be its own last words, so that these stand there as code.
    """
    return [
        table(league, width=WIDTH, style="github"),
        other_workloads(league, width=WIDTH, style="github"),
        references(league, width=WIDTH, style="github"),
        *(
            "\n".join(f"- {line}" for line in lines)
            for lines in (findings(league), list(map(code_span, unranked_notes(league))), league.conditions)
        ),
    ]


def joined(parts: Iterable[str]) -> str:
    """Return paragraphs as one text, without the empty ones."""
    return "\n\n".join(part for part in parts if part) + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [Reporter(name="markdown", summary="the league as Markdown", render=render)]
