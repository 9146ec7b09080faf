"""The table of references: the products that one would install instead, beside the league, and not ranked."""

from __future__ import annotations

from harness.league.report_card import League
from harness.report.columns import MEASURED, table_of
from harness.report.numbers import NOTHING


def references(league: League, *, width: int, style: str) -> str:
    """Return the figures of the references and of the first server, or "" where no reference was measured.

    Args:
        league: the league.
        width: in characters; columns that do not fit are left out.
        style: a format of tabulate.
    """
    measured = [row for row in league.references if row.figures]
    if not measured:
        return ""
    columns = [column for column in MEASURED if any(column.cell(row, league) != NOTHING for row in measured)]
    heading = "Not ranked: what one would install instead, and the first server of the league."
    return f"{heading}\n\n{table_of([*measured, *league.ranked[:1]], league, columns, width=width, style=style)}"
