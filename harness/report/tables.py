"""Tables as text: narrow, with explicit alignment."""

from __future__ import annotations

from collections.abc import Sequence

import tabulate as tabulate_module
from tabulate import tabulate

tabulate_module.MIN_PADDING = 0  # two characters more under every heading do not fit 80 columns


def tabulated(
    rows: Sequence[Sequence[str]], headings: Sequence[str], *, align: Sequence[str] = (), style: str = "simple"
) -> str:
    """Return a table.

    Args:
        rows: the cells.
        headings: the words above the columns.
        align: "left" or "right" for each column; by default all are left. Without it tabulate would move "1" under a
            heading of words.
        style: a format of tabulate, e.g. "simple" or "github".
    """
    aligned = align or ["left"] * len(headings)
    if style == "github":  # where a name may have the sign between cells
        rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(rows, headers=headings, tablefmt=style, colalign=aligned, disable_numparse=True) if rows else ""
