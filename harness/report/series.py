"""Shows a series of runs of a server: as a table with the changes below it, and as data."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from harness.league.change_points import FEWEST_RUNS, Shift
from harness.league.measures import BY_SCORE, MEASURES
from harness.league.series import FEWEST_OTHERS, SeriesPoint, ServerSeries
from harness.report.findings import change_text
from harness.report.numbers import NOTHING, significant
from harness.report.tables import tabulated

HOW_TO_READ = (
    "Ratios to the median server, with the speed of each run taken out; more is better, also of p99, cpu and memory. "
    f"A run needs {FEWEST_OTHERS} other servers for them, and a change of level {FEWEST_RUNS} runs; it must last two."
)


def series_text(series: ServerSeries, width: int) -> str:
    """Return a series as a text for people.

    Args:
        series: the series.
        width: in characters.
    """
    names = (BY_SCORE, *MEASURES)
    rows = [[point.run.id, _checks(point), *(_ratio(point, name) for name in names)] for point in series.points]
    table = tabulated(rows, ["run", "checks", *names], align=["left", *["right"] * (len(names) + 1)])
    title = f"{series.server} ({series.spec}) on {series.machine}"
    lines = [textwrap.fill(sentence, width, subsequent_indent="  ") for sentence in shift_sentences(series)]
    return "\n\n".join([title, table, *(["\n".join(lines)] if lines else [])])


def _checks(point: SeriesPoint) -> str:
    return f"{point.checked.passed}/{point.checked.total}" if point.checked else NOTHING


def _ratio(point: SeriesPoint, name: str) -> str:
    return f"{significant(point.ratios[name])}×" if name in point.ratios else NOTHING


def shift_sentences(series: ServerSeries) -> list[str]:
    """Return a sentence for each run at which a level changed: which levels, and what else was new there."""
    sentences = []
    for place in sorted({shift.place for shift in series.shifts}):
        point = series.points[place]
        levels = [
            f"{shift.measure} {change_text(shift.after - shift.before, math.nan, math.nan)}"
            for shift in series.shifts
            if shift.place == place
        ]
        new = [f"{name} {before} → {now}" for name, (before, now) in point.differences.items()]
        cause = f"new there: {', '.join(new)}" if new else "nothing that is recorded was new there"
        sentences.append(f"From {point.run.id} on: {', '.join(levels)}; {cause}.")
    return sentences


def series_data(all_series: Sequence[ServerSeries]) -> list[dict[str, Any]]:
    """Return series as plain data."""
    return [
        {
            "server": series.server,
            "spec": series.spec,
            "machine": series.machine,
            "runs": [_point_data(point) for point in series.points],
            "changes": [_shift_data(series, shift) for shift in series.shifts],
        }
        for series in all_series
    ]


def _point_data(point: SeriesPoint) -> dict[str, Any]:
    return {
        "run": point.run.id,
        "started": point.run.started,
        "commit": point.run.commit,
        "verdict": point.checked.verdict if point.checked else None,
        "passed": point.checked.passed if point.checked else None,
        "total": point.checked.total if point.checked else None,
        "others": point.others,
        "figures": {
            name: {"figure": MEASURES[name].figure.name, "value": value} for name, value in point.figures.items()
        },
        "ratios": dict(point.ratios),
        "differences": {name: {"before": old, "now": new} for name, (old, new) in point.differences.items()},
    }


def _shift_data(series: ServerSeries, shift: Shift) -> dict[str, Any]:
    return {
        "run": series.points[shift.place].run.id,
        "measure": shift.measure,
        "before": math.exp(shift.before),
        "after": math.exp(shift.after),
    }
