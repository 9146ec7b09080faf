"""Plots of throughput: under the loads of every league, and against the number of clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.figures import BUILT_IN
from harness.league.measures import MEASURES, THROUGHPUT
from harness.league.report_card import League
from harness.report.curves import Chart, Point, Series
from harness.report.numbers import cell, significant
from harness.report.scales import Axis, log_axis
from harness.site.plots.axes import category_axis
from harness.site.plots.plot import AxisKind, Plot, ends, numbered, point_rows

LOADS = ("single", "all", "few")  # for most servers from the slowest to the fastest
FIGURE = BUILT_IN[THROUGHPUT]
SIZE = FIGURE.unit.size


def load_plots(league: League) -> Iterator[Plot]:
    """Yield the throughput with one message in flight, with all clients sending, and with a few."""
    measures = [MEASURES[name] for name in LOADS]
    series = []
    for number, row in enumerate(league.rows):
        summaries = [row.figures.get((measure.kind, THROUGHPUT)) for measure in measures]
        points = [
            Point(place, found.median / SIZE, found.low / SIZE, found.high / SIZE, row_is_limited)
            for place, (measure, found) in enumerate(zip(measures, summaries, strict=True))
            if found and found.low > 0
            for row_is_limited in [measure.name in row.standings and row.standings[measure.name].is_limited]
        ]
        if points:
            series.append(Series(row.implementation.name, number, points))
    if not series:
        return
    names = {row.implementation.name: row for row in league.rows}
    yield Plot(
        id="loads",
        title="Throughput by load: one message in flight, all clients send, a few send",
        reading="A line that rises steeply is a server that makes much of many messages at once. From the middle to "
        "the right it rises by what many senders cost.",
        conditions="; ".join(league.conditions[:1]),
        x=category_axis("", [measure.title for measure in measures]),
        y=log_axis("deliveries, millions a second", ends(series)),
        x_kind=AxisKind.CATEGORY,
        series=series,
        columns=[f"{measure.title}, M/s" for measure in measures],
        rows=[
            [
                each.server,
                *(cell(FIGURE, names[each.server].figures.get((measure.kind, THROUGHPUT))) for measure in measures),
            ]
            for each in series
        ],
    )


def client_plots(charts: Sequence[Chart]) -> Iterator[Plot]:
    """Yield throughput against clients, where floods with several numbers of clients were measured."""
    for chart in charts:
        if chart.kind == "throughput":
            yield Plot(
                id=numbered("clients", chart.number),
                title="Throughput against clients",
                reading="Every client receives every message, so that a server with the same cost for each delivery is "
                "a level line.",
                conditions=chart.conditions,
                x=Axis("clients", True, chart.x.low, chart.x.high, chart.x.ticks),
                y=Axis("deliveries a second", True, chart.y.low, chart.y.high, chart.y.ticks),
                series=chart.series,
                columns=["millions of deliveries a second, with so many clients"],
                rows=point_rows(chart.series, lambda y: significant(y / SIZE)),
            )
