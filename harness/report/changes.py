"""Changes as a table, and as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from harness.league.compare_runs import Change
from harness.report.columns import significant
from harness.report.findings import change_text
from harness.report.other_workloads import unit


def table(changes: Sequence[Change], names: tuple[str, str], width: int) -> str:
    """Return a line for each figure of each server: both medians, the change, what can be said of it.

    Args:
        names: of the two columns of medians.
        width: in characters; where it is too wide, the medians are left out.
    """
    several = len({one.server for one in changes}) > 1, len({one.spec for one in changes}) > 1
    rows = [
        [
            *([one.server] if several[0] else []),
            *([one.spec] if several[1] else []),
            _figure(one),
            *(significant(value / unit(one.figure)[2]) for value in (one.first, one.second)),
            change_text(one.mean, one.low, one.high),
            one.words,
        ]
        for one in changes
    ]
    who = [*(["server"] if several[0] else []), *(["spec"] if several[1] else [])]
    made = _tabulated(rows, [*who, "figure", *names, "change", ""])
    if max(map(len, made.splitlines()), default=0) <= width:
        return made
    first = len(who) + 1
    return _tabulated([row[:first] + row[first + 2 :] for row in rows], [*who, "figure", "change", ""])


def _tabulated(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> str:
    right = {"figure": "left", "server": "left", "spec": "left", "change": "left", "": "left"}
    aligned = [right.get(heading, "right") for heading in headings]
    return tabulate(rows, headers=headings, tablefmt="simple", colalign=aligned, disable_numparse=True)


def _figure(one: Change) -> str:
    name, word, _ = unit(one.figure)
    return f"{one.workload} {name} {word}".strip().replace("_", " ")


def as_data(one: Change) -> dict[str, Any]:
    """Return a change as plain data: the interval as ratios, null where there is none."""
    plain = dataclasses.asdict(one)
    for name, value in (("ratio", one.mean), ("ratio_low", one.low), ("ratio_high", one.high)):
        plain[name] = None if math.isnan(value) else math.exp(value)
    return {name: value for name, value in plain.items() if name not in ("mean", "low", "high")} | {"words": one.words}
