"""How figures read in tables: their numbers, in the units of `harness.figures`, and their headings."""

from __future__ import annotations

import textwrap

from harness.figures import PERCENT, Figure
from harness.league.rows import Summary

NOTHING = "–"
MAX_HEADING_LINES = 3


def significant(value: float) -> str:
    """Return a number with three significant digits at most, or two below 0.1."""
    if 0 < abs(value) < 0.1:
        return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.4f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(share: float) -> str:
    """Return a share as percent, with its sign where it is not zero."""
    value = share * 100
    return "0" if value == 0 else "<0.1 %" if value < 0.1 else f"{value:.1f} %"


def in_unit(figure: Figure, value: float) -> str:
    """Return a value of a figure in the figure's unit, which stands in the heading."""
    return significant(value / figure.unit.size)


def cell(figure: Figure, summary: Summary | None) -> str:
    """Return the median of a figure in its unit, with "≥" where it is a lower bound."""
    return NOTHING if summary is None else ("≥" if summary.at_least else "") + in_unit(figure, summary.median)


def heading(figure: Figure) -> str:
    """Return the heading of a narrow column: the label and the unit, except for shares, whose cells have the sign."""
    title = figure.label if figure.unit is PERCENT else figure.title
    for width in range(max(map(len, title.split())), len(title) + 1):
        lines = textwrap.wrap(title, width, break_long_words=False, break_on_hyphens=False)
        if len(lines) <= MAX_HEADING_LINES:
            break
    return "\n".join(lines)
