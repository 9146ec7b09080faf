"""The table of other workloads, which no rank depends on: servers as rows, their figures as columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness import plugins
from harness.figures import Figure
from harness.league.report_card import League
from harness.report.numbers import cell
from harness.report.tables import tabulated


def other_workloads(league: League, *, width: int, style: str) -> str:
    """Return the table of the figures that other workloads report, and from where loads came; "" without figures.

    Args:
        league: the league.
        width: in characters; columns that do not fit are left out, the last one first.
        style: a format of tabulate.
    """
    figures = plugins.figures()
    measured = [row for row in league.rows if row.other_figures and not row.note]
    columns = list(dict.fromkeys(key for row in measured for key in row.other_figures))
    while columns:
        rows = [
            [
                row.implementation.name,
                *(cell(figures[name], row.other_figures.get((workload, name))) for workload, name in columns),
            ]
            for row in measured
        ]
        line_end = " " if style == "github" else "\n"
        headings = [_heading(workload, figures[name]).replace(" ", line_end) for workload, name in columns]
        text = _tabulated(rows, ["server", *headings], style)
        if max(map(len, text.splitlines()), default=0) <= width:
            below = [textwrap.fill(line, width, break_on_hyphens=False) for line in league.machines]
            return "\n\n".join([text, *below])
        columns.pop()
    return ""


def _tabulated(rows: Sequence[Sequence[str]], headings: Sequence[str], style: str) -> str:
    aligned = ["left", *["right"] * (len(headings) - 1)]
    return tabulated(rows, headings, align=aligned, style=style)


def _heading(workload: str, figure: Figure) -> str:
    return f"{workload} {figure.title}".replace("_", " ")
