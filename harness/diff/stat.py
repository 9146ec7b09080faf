"""Counts what two sources have in common and what differs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from harness.diff.compare import DiffRow, similarity
from harness.diff.source import Source

MAX_NAMES = 12  # listed of the functions that only one side has


@dataclass(frozen=True)
class LineCounts:
    """Numbers of lines that are not blank; a pair of equal or changed lines counts once.

    Attributes:
        equal: pairs of equal lines.
        changed: pairs of lines that differ.
        only_left: lines of the left source without a counterpart.
        only_right: lines of the right source without a counterpart.
    """

    equal: int = 0
    changed: int = 0
    only_left: int = 0
    only_right: int = 0


@dataclass(frozen=True)
class DiffStat:
    """The differences between two sources, in numbers.

    Attributes:
        lines: for the whole sources.
        functions: the same for each function that both have, by its name.
        common: the names of functions and classes that both have.
        only_left: the names that only the left source has.
        only_right: the names that only the right source has.
        similarity: from 0 to 1: the share of equal lines; a changed line counts by its equal words.
    """

    lines: LineCounts
    functions: dict[str, LineCounts]
    common: Sequence[str]
    only_left: Sequence[str]
    only_right: Sequence[str]
    similarity: float


def diff_stat(left: Source, right: Source, rows: Sequence[DiffRow]) -> DiffStat:
    """Count the differences.

    Args:
        left: the left source.
        right: the right source.
        rows: their comparison.
    """
    rows = [row for row in rows if any(line and line.text.strip() for line in row)]
    common = [name for name in left.functions if name in right.functions]
    total = sum(1 for row in rows for line in row if line)
    equal = sum(2 * similarity(row.left.text, row.right.text) for row in rows if row.left and row.right)
    by_function: dict[str, list[DiffRow]] = {name: [] for name in common}
    for row in rows:
        line = row.left if row.left and row.left.function in by_function else row.right
        if line and line.function in by_function:
            by_function[line.function].append(row)
    return DiffStat(
        lines=_count(rows),
        functions={name: _count(function_rows) for name, function_rows in by_function.items()},
        common=common,
        only_left=[name for name in left.functions if name not in common],
        only_right=[name for name in right.functions if name not in common],
        similarity=equal / total if total else 1.0,
    )


def _count(rows: Sequence[DiffRow]) -> LineCounts:
    kinds = Counter(
        "equal" if row.is_equal else "changed" if row.is_changed else "only_left" if row.left else "only_right"
        for row in rows
    )
    return LineCounts(**kinds)


def table(left: Source, right: Source, stat: DiffStat, width: int) -> str:
    """Return the counts as a table, after a summary and the names of the functions that only one side has.

    Args:
        left: the left source.
        right: the right source.
        stat: their differences.
        width: the width of the terminal in columns.
    """
    heads = ["lines", "equal", "changed", f"only {left.name}", f"only {right.name}"]
    counts = {"all": stat.lines, **stat.functions}
    rows = [[name, count.equal, count.changed, count.only_left, count.only_right] for name, count in counts.items()]
    others = [
        textwrap.fill(f"only {side.name} has {_listed(names)}", width, subsequent_indent="  ", break_on_hyphens=False)
        for side, names in ((left, stat.only_left), (right, stat.only_right))
        if names
    ]
    summary = f"{left.name} and {right.name}: {stat.similarity:.0%} alike, {len(stat.common)} functions in common"
    return "\n".join([summary, *others, "", tabulate(rows, headers=heads, tablefmt="simple")])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
