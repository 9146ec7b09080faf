"""The table of what other workloads tell, which no rank depends on: servers as rows, their figures as columns."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.league.table import League, Summary
from harness.report.columns import significant

# What the end of a figure's name says of its unit: the words for it, and how many of it make one of these.
UNITS = {
    "_per_s": ("M/s", 1e6),
    "_ns": ("ms", 1e6),
    "_bytes": ("MB", 1e6),
    "_share": ("%", 0.01),
}


def other_workloads(league: League, *, width: int, style: str) -> str:
    """Return the table, or "" when no workload told anything for it.

    Args:
        width: in characters; what does not fit is left out, the last columns first.
        style: a format of tabulate.
    """
    told = list(dict.fromkeys(what for row in league.rows for what in row.other_figures))
    while told:
        rows = [
            [row.implementation.name, *(_cell(row.other_figures.get(what), what[1]) for what in told)]
            for row in league.rows
            if row.position and row.other_figures
        ]
        headings = [_heading(*what, " " if style == "github" else "\n") for what in told]
        made = _tabulated(rows, ["server", *headings], style)
        if max(map(len, made.splitlines()), default=0) <= width:
            return made
        told.pop()
    return ""


def _tabulated(rows: Sequence[Sequence[str]], headings: Sequence[str], style: str) -> str:
    aligned = ["left", *["right"] * (len(headings) - 1)]
    return tabulate(rows, headers=headings, tablefmt=style, colalign=aligned, disable_numparse=True) if rows else ""


def unit(figure: str) -> tuple[str, str, float]:
    """Return what a figure is called without its unit, the unit's word, and the unit."""
    for ending, (word, size) in UNITS.items():
        if figure.endswith(ending):
            return figure.removesuffix(ending), word, size
    return figure, "", 1


def _heading(workload: str, figure: str, line_end: str) -> str:
    name, word, _ = unit(figure)
    return line_end.join(f"{workload} {name} {word}".strip().replace("_", " ").split(" "))


def _cell(figure: Summary | None, name: str) -> str:
    if figure is None:
        return "–"
    return ("≥" if figure.at_least else "") + significant(figure.median / unit(name)[2])
