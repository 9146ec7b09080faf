"""Shows what a comparison of two runs or servers found: as a table, and as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from harness.league.compare_runs import Change
from harness.report.findings import change_text
from harness.report.numbers import in_unit
from harness.report.tables import tabulated


def table(changes: Sequence[Change], names: tuple[str, str], width: int) -> str:
    """Return a line for each figure of each server: both medians, the change, and what its interval says.

    Args:
        changes: the differences.
        names: the headings of the two columns of medians.
        width: in characters; where the table is too wide, the medians are left out.
    """
    several_servers = len({change.server for change in changes}) > 1
    several_specs = len({change.spec for change in changes}) > 1
    rows = [
        [
            *([change.server] if several_servers else []),
            *([change.spec] if several_specs else []),
            f"{change.workload} {change.figure.title}".replace("_", " "),
            *(in_unit(change.figure, median) for median in (change.first, change.second)),
            change_text(change.mean, change.low, change.high),
            change.words,
        ]
        for change in changes
    ]
    keys = [*(["server"] if several_servers else []), *(["spec"] if several_specs else [])]
    text = _tabulated(rows, [*keys, "figure", *names, "change", ""])
    if max(map(len, text.splitlines()), default=0) <= width:
        return text
    first = len(keys) + 1
    return _tabulated([row[:first] + row[first + 2 :] for row in rows], [*keys, "figure", "change", ""])


def _tabulated(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> str:
    left = {"figure", "server", "spec", "change", ""}
    aligned = ["left" if heading in left else "right" for heading in headings]
    return tabulated(rows, headings, align=aligned)


def as_data(change: Change) -> dict[str, Any]:
    """Return a change as plain data: the interval as ratios, null where there is none."""
    plain: dict[str, Any] = {
        field.name: getattr(change, field.name)
        for field in dataclasses.fields(change)
        if field.name not in ("mean", "low", "high")
    }
    plain["significant"] = plain.pop("is_significant")
    plain["figure"] = change.figure.name
    plain["label"] = change.figure.label
    plain["better"] = change.figure.better.value
    for name, value in (("ratio", change.mean), ("ratio_low", change.low), ("ratio_high", change.high)):
        plain[name] = None if math.isnan(value) else math.exp(value)
    return plain | {"words": change.words}
