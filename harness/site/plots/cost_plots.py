"""Plots of what a server costs: its memory against clients, and its lines of code against its score."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.league.measures import MEASURES
from harness.league.report_card import League
from harness.league.rows import Row
from harness.model import Run
from harness.report.columns import has_interval, interval
from harness.report.curves import Point, Series, is_valid
from harness.report.findings import score_text
from harness.report.numbers import NOTHING, significant
from harness.report.scales import log_axis
from harness.site.plots.axes import axis_at, linear_axis
from harness.site.plots.plot import Plot, ends

EMPTY, IDLE, EACH = "rss_empty_bytes", "rss_idle_bytes", "rss_per_client_bytes"
KIND = MEASURES["memory"].kind
MB, KB = 1e6, 1e3


def memory_plots(run: Run, league: League) -> Iterator[Plot]:
    """Yield memory against idle clients.

    Args:
        run: the run.
        league: the league of one spec of it.
    """
    idle = idle_clients(run, league.spec)
    series = [
        Series(row.implementation.name, number, points)
        for number, row in enumerate(league.rows)
        if len(points := _memory_points(run, row, idle)) > 1
    ]
    if not series:
        return
    every = [point for each in series for point in each.points]
    rows = {row.implementation.name: row for row in league.rows}
    yield Plot(
        id="memory",
        title="Memory against clients",
        reading="The left end is the server without clients; the slope is what a client costs.",
        conditions="resident memory of the server with all its processes; clients are connected and send nothing",
        x=axis_at("clients", [point.x for point in every]),
        y=log_axis("resident memory in MB", ends(series)),
        series=series,
        columns=["MB, with so many clients", "KB per client"],
        rows=[
            [
                each.server,
                ", ".join(f"{point.x:,.0f}: {significant(point.y)}" for point in each.points),
                significant(summary.median / KB) if summary else NOTHING,
            ]
            for each in series
            for summary in [rows[each.server].figures.get((KIND, EACH))]
        ],
    )


def _memory_points(run: Run, row: Row, idle: int) -> list[Point]:
    """Return the memory of a server without clients, and with each number of them for which it was measured.

    Args:
        run: the run.
        row: of the server.
        idle: with how many idle clients the league of its spec measured memory; 0 where it did not.
    """
    by_clients: defaultdict[int, list[float]] = defaultdict(list)
    if idle:
        for at, figure in ((0, EMPTY), (idle, IDLE)):
            if summary := row.figures.get((KIND, figure)):
                by_clients[at] += [summary.median, summary.low, summary.high]
    for trial in run.trials:
        is_own = (trial.plan.spec, trial.plan.implementation) == (row.implementation.spec, row.implementation.name)
        if is_own and is_valid(trial) and {EMPTY, IDLE, "clients"} <= trial.figures.keys():
            by_clients[0].append(trial.figures[EMPTY])
            by_clients[int(trial.figures["clients"])].append(trial.figures[IDLE])
    return [
        Point(at, statistics.median(sizes) / MB, min(sizes) / MB, max(sizes) / MB)
        for at, sizes in sorted(by_clients.items())
        if min(sizes) > 0
    ]


def idle_clients(run: Run, spec: str) -> int:
    """Return with how many idle clients the league of a spec measured memory; 0 where it did not.

    Args:
        run: the run.
        spec: the name of the spec.
    """
    for block in run.blocks:
        for result in block.slices:
            if block.spec == spec and result.kind == KIND and {EMPTY, IDLE, EACH} <= result.figures.keys():
                added = result.figures[IDLE] - result.figures[EMPTY]
                if added > 0 and result.figures[EACH] > 0:
                    return round(added / result.figures[EACH])
    return 0


# --- the front of score and lines of code


def front_plots(league: League) -> Iterator[Plot]:
    """Yield score against lines of code, with the front: the servers that no other beats in both."""
    measured = [row for row in league.ranked if row.code_lines and row.score and row.score.value > 0]
    if len(measured) < 2:
        return
    corners = front([_corner(row) for row in measured])
    series = [Series(row.implementation.name, number, [_corner(row)]) for number, row in enumerate(measured)]
    on_front = {(point.x, point.y) for point in corners}
    yield Plot(
        id="front",
        title="Score against lines of code",
        reading="Left and high is best: a better score with less code. The line joins the front: no server has both a "
        "higher score and fewer lines than one on it. Scores whose intervals overlap may be equal.",
        conditions=f"score: {score_text(league.weights)}; lines of code without comments and blank lines",
        x=linear_axis("lines of code", [row.code_lines for row in measured]),
        y=log_axis("score, %", ends(series)),
        series=series,
        is_joined=False,
        front=corners,
        columns=["score, %", "ranks", "lines", "on the front"],
        rows=[
            [
                row.implementation.name,
                significant(_corner(row).y),
                interval(row.rank) if league.can_distinguish else NOTHING,
                str(row.code_lines),
                "yes" if (_corner(row).x, _corner(row).y) in on_front else "no",
            ]
            for row in measured
        ],
    )


def _corner(row: Row) -> Point:
    """Return the point of a server: its lines of code and its score in percent, with the interval where it has one."""
    assert row.score
    value, low, high = (100 * share for share in (row.score.value, row.score.low, row.score.high))
    if not has_interval(row):
        low = high = value
    return Point(row.code_lines, value, min(low, value), max(high, value))


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points to which no other one is both higher and at least as far left, from left to right."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best
