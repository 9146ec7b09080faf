"""Plots of what a schedule shows: the distribution of latency, and what the offered rate does to p99 and drops."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.blocks import Entry
from harness.figures import BUILT_IN
from harness.league.measures import MEASURES
from harness.league.report_card import League
from harness.league.rows import Row
from harness.league.slice_scores import missing_messages, usable
from harness.load import latency
from harness.load.resident import KINDS
from harness.model import Run
from harness.report.curves import Chart, Point, Series, curves_by_conditions, is_valid
from harness.report.numbers import NOTHING, percent, significant
from harness.report.scales import Axis, log_axis
from harness.site.plots.axes import linear_axis
from harness.site.plots.plot import AxisKind, Plot, ends, numbered, point_rows

PERCENTILES = ((2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1000.0, "99.9 %"))  # at x = 1 / (1 - q)
P50, P99, CPU, DROPS, OFFERED = (
    BUILT_IN[name]
    for name in ("latency_p50_ns", "latency_p99_ns", "server_cpu_share", "dropped_share", "offered_per_s")
)
KIND = MEASURES["p99"].kind  # of the slices on a schedule
MS = 1e6


def latency_plots(run: Run, league: League, charts: Sequence[Chart]) -> Iterator[Plot]:
    """Yield the distribution of latency, where the run has slices on a schedule.

    Args:
        run: the run.
        league: the league of one spec.
        charts: the curves of that spec.
    """
    for chart in charts:
        if chart.kind == "latency":
            lost = _missing(run, league.spec)
            yield Plot(
                id="latency",
                title="Latency distribution",
                reading="The further right, the rarer: each nine of a percentile has the same width. A curve that "
                "rises late has few slow messages. It ends before the slowest one, or before the share that was lost.",
                conditions=chart.conditions,
                x=chart.x,
                y=Axis("latency in ms", True, chart.y.low, chart.y.high, chart.y.ticks),
                x_kind=AxisKind.PERCENTILE,
                series=chart.series,
                columns=[*(f"{name} of messages, ms" for _, name in PERCENTILES), "never came"],
                rows=[
                    [series.server, *(_at(series, x) for x, _ in PERCENTILES), f"{lost.get(series.server, 0):,}"]
                    for series in chart.series
                ],
            )


def _at(series: Series, x: float) -> str:
    return next((significant(point.y) for point in series.points if math.isclose(point.x, x)), NOTHING)


def _missing(run: Run, spec: str) -> dict[str, int]:
    """Return how many messages on a schedule never came, by server."""
    blocks = [block for block in run.blocks if block.spec == spec]
    names = {entry.name for block in blocks for entry in block.entries}
    return {
        name: missing_messages([result for block in blocks for result in usable(block.slices_of(Entry(name)))])
        for name in names
    }


def one_rate_plots(league: League) -> Iterator[Plot]:
    """Yield p99 against processor time at the one rate that every run has."""
    needed = {(KIND, name) for name in (P50.name, P99.name, CPU.name, DROPS.name)}
    rows = [row for row in league.rows if needed <= row.figures.keys()]
    measured = [row for row in rows if _p99_ms(row) < latency.HIGHEST_NS / MS]
    if not measured:
        return
    busy = {row.implementation.name: row.figures[KIND, CPU.name].median * 100 for row in measured}
    yield Plot(
        id="rate",
        title="One offered rate: p99, processor time and drops",
        reading="Left and low is best: fast, with processor time to spare for a higher rate. A hollow mark has lost "
        "messages; a server that lost more than one in a hundred has no p99 and is in the table only.",
        conditions=f"{KINDS[KIND].rate_per_s:g} messages a second, whatever the server does",
        x=linear_axis("processor time of the server, % of a core", [0, *busy.values()]),
        y=log_axis("p99 in ms", [_p99_ms(row) for row in measured]),
        series=[
            Series(name, number, [Point(busy[name], p99, p99, p99, _dropped(row) > 0)])
            for number, row in enumerate(measured)
            for name, p99 in [(row.implementation.name, _p99_ms(row))]
        ],
        is_joined=False,
        columns=["p50, ms", "p99, ms", "dropped", "processor time"],
        rows=[
            [
                row.implementation.name,
                significant(row.figures[KIND, P50.name].median / MS),
                significant(_p99_ms(row)) if row in measured else "lost",
                percent(_dropped(row)),
                percent(row.figures[KIND, CPU.name].median),
            ]
            for row in rows
        ],
    )


def _p99_ms(row: Row) -> float:
    return row.figures[KIND, P99.name].median / MS


def _dropped(row: Row) -> float:
    return row.figures[KIND, DROPS.name].median


def rate_plots(run: Run, league: League, charts: Sequence[Chart]) -> Iterator[Plot]:
    """Yield p99 and drops against the offered rate, where a search has tried several.

    Args:
        run: the run.
        league: the league of one spec.
        charts: the curves of that spec.
    """
    servers = [row.implementation.name for row in league.rows]
    trials = [
        trial
        for trial in run.trials
        if trial.plan.spec == league.spec and is_valid(trial) and {OFFERED.name, P99.name} <= trial.figures.keys()
        # An overloaded server may have answered nothing; the axis is logarithmic.
        if trial.figures[P99.name] > 0
    ]
    groups = curves_by_conditions(servers, trials, "rate_per_s", OFFERED, P99, scale=1 / MS)
    for number, (conditions, curves) in enumerate(groups, 1):
        xs = [point.x for series in curves for point in series.points]
        yield Plot(
            id=numbered("rate-p99", number),
            title="p99 against the offered rate",
            reading="Where a curve turns up, the server is at its limit. The schedule does not wait for it.",
            conditions=conditions,
            x=log_axis(OFFERED.title, xs),
            y=log_axis("p99 in ms", ends(curves)),
            series=curves,
            columns=["p99 in ms, at the offered messages a second"],
            rows=point_rows(curves, significant),
        )
    for chart in charts:
        if chart.kind == "drops":
            yield Plot(
                id=numbered("rate-drops", chart.number),
                title="Drops against the offered rate",
                reading="The share of the deliveries that were due and never came, because a server that cannot "
                "keep up drops messages.",
                conditions=chart.conditions,
                x=chart.x,
                y=Axis("drops in %", False, chart.y.low, chart.y.high, chart.y.ticks),
                series=chart.series,
                columns=["drops, at the offered messages a second"],
                rows=point_rows(chart.series, lambda y: percent(y / 100)),
            )
