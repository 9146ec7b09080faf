"""Tables that are no wider than the terminal: cells that are too wide are wrapped between words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

GAP = 2  # characters between two columns
HEADER_PADDING = 2  # characters that tabulate adds to a header


def fitted(headers: Sequence[str], rows: Sequence[Sequence[str]], limits: Sequence[int]) -> str:
    """Return a table.

    Args:
        headers: the names of its columns.
        rows: its cells; they may have several lines.
        limits: for each column its largest width in characters.
    """
    wrapped = [[_wrap(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in rows]
    return tabulate(wrapped, headers, "simple", disable_numparse=True)


def _wrap(cell: str, limit: int) -> str:
    lines = [textwrap.wrap(line, limit, break_on_hyphens=False) or [""] for line in cell.splitlines()]
    return "\n".join(part for parts in lines for part in parts)


def widest(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column when nothing is wrapped, in characters."""
    padded = [header + " " * HEADER_PADDING for header in headers]
    return [max(map(len, column)) for column in zip(padded, *rows, strict=True)]


def left_over(width: int, others: Sequence[int]) -> int:
    """Return the width that is left for one column beside others.

    Args:
        width: of the terminal, in characters.
        others: the widths of the other columns.
    """
    return width - sum(others) - GAP * len(others)
