"""The league as Markdown, and its place in a README: between two markers."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.league.table import leagues
from harness.model import Run
from harness.plugins import Reporter, hookimpl
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.formats.terminal import origin
from harness.report.other_workloads import other_workloads

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
WIDTH = 1000


def render(run: Run, width: int = WIDTH) -> str:
    """Return the leagues of a run, with the command and the machine that made them."""
    parts = []
    several = len(leagues(run)) > 1
    for league in leagues(run):
        if several:
            parts.append(f"### {league.spec}")
        parts.append(table(league, width=WIDTH, style="github"))
        parts.append(other_workloads(league, width=WIDTH, style="github"))
        parts.append("\n".join(f"- {line}" for line in findings(league)))
        parts.append("\n".join(f"- {row.implementation.name}: {row.note or 'not measured'}" for row in league.unranked))
        parts.append("\n".join(f"- {line}" for line in league.conditions))
    parts.append(origin(run.info))
    return "\n\n".join(part for part in parts if part) + "\n"


def rewrite(readme: Path, run: Run) -> None:
    """Put the leagues of a run between the two markers of a file; the rest of the file stays as it is.

    Raises:
        UsageError: the file cannot be read or does not have each marker once, in order.
    """
    try:
        text = readme.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{readme} cannot be read: {error.strerror}") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UsageError(f"{readme} needs the markers {BEGIN} and {END}, each once and in this order")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n\n{render(run)}\n{END}{after}", "utf-8")


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [Reporter(name="markdown", summary="the league as Markdown", render=render)]
