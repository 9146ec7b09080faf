"""How much of two sources is the same, in figures."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from harness.diff.compare import Row, similarity
from harness.diff.source import Source

NAMES = 12  # that are told of what only one side has


@dataclass(frozen=True)
class Count:
    """Lines that are not blank: equal ones and changed ones are counted once for both sides."""

    equal: int = 0
    changed: int = 0
    only_left: int = 0
    only_right: int = 0


@dataclass(frozen=True)
class Stat:
    """What differs.

    Attributes:
        lines: of the whole.
        functions: the same for each function that both have.
        common, only_left, only_right: the names of functions and classes that both have, or one.
        similarity: from 0 to 1: the share of the lines of both that is equal; of a changed line, its equal words.
    """

    lines: Count
    functions: dict[str, Count]
    common: Sequence[str]
    only_left: Sequence[str]
    only_right: Sequence[str]
    similarity: float


def stat(left: Source, right: Source, rows: Sequence[Row]) -> Stat:
    """Count what differs."""
    rows = [row for row in rows if any(line and line.text.strip() for line in row)]
    common = [name for name in left.functions if name in right.functions]
    total = sum(1 for row in rows for line in row if line)
    alike = sum(2 * similarity(row.left.text, row.right.text) for row in rows if row.left and row.right)
    named: dict[str, list[Row]] = {name: [] for name in common}
    for row in rows:
        line = row.left if row.left and row.left.function in named else row.right
        if line and line.function in named:
            named[line.function].append(row)
    return Stat(
        lines=_count(rows),
        functions={name: _count(its) for name, its in named.items()},
        common=common,
        only_left=[name for name in left.functions if name not in common],
        only_right=[name for name in right.functions if name not in common],
        similarity=alike / total if total else 1.0,
    )


def _count(rows: Sequence[Row]) -> Count:
    kinds = Counter(
        "equal" if row.is_equal else "changed" if row.is_changed else "only_left" if row.left else "only_right"
        for row in rows
    )
    return Count(**kinds)


def table(left: Source, right: Source, found: Stat, width: int) -> str:
    """Return the figures as a table with the functions that both have, and who has which others, in words."""
    heads = ["lines", "equal", "changed", f"only {left.name}", f"only {right.name}"]
    counts = {"all": found.lines, **found.functions}
    rows = [[name, one.equal, one.changed, one.only_left, one.only_right] for name, one in counts.items()]
    others = [
        textwrap.fill(f"only {side.name} has {_listed(names)}", width, subsequent_indent="  ", break_on_hyphens=False)
        for side, names in ((left, found.only_left), (right, found.only_right))
        if names
    ]
    alike = f"{left.name} and {right.name}: {found.similarity:.0%} alike, {len(found.common)} functions in common"
    return "\n".join([alike, *others, "", tabulate(rows, headers=heads, tablefmt="simple")])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")
