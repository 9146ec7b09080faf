"""The curves of a run as plain numbers, for all formats that draw them.

There are three kinds for each spec: the distribution of latency, from the slices of the league; throughput against
clients, and drops against the offered rate, from the trials of other workloads. What was disturbed does not count. A
point is the median of the trials of all blocks; a latency comes from merged histograms. Only like is compared with
like: trials whose parameters differ in anything but the x axis and the duration are not points of one chart.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.blocks import BlockResult, Entry
from harness.figures import BUILT_IN, Figure
from harness.league.slice_scores import missing_messages, usable
from harness.league.valid_trials import limited_by_generator
from harness.load import latency
from harness.model import Run, TrialResult
from harness.report.scales import MAX_TICKS, Axis, log_axis, percent_axis, tick_text

HOW_MUCH = {"seconds", "warm_up_s", "blocks"}  # parameters that say how much was measured, not what
STEPS_A_DECADE = 20  # points of a distribution in a decade of 1 / (1 - q)
FIRST_QUANTILE = 0.1  # lower ones depend on very few messages
MOST_NAMED = 16  # servers in one picture, each with its name at the end of its curve

KINDS = ("latency", "throughput", "drops")
READ = ("clients", "in_flight", "deliveries_per_s", "offered_per_s", "dropped_share")
CLIENTS, IN_FLIGHT, DELIVERIES, OFFERED, DROPS = (BUILT_IN[name] for name in READ)

Parameters = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Point:
    """A point of a curve: a summary of some trials.

    Attributes:
        x: its position on the x axis.
        y: the median of the trials.
        low: the lowest value.
        high: the highest value.
        at_least: whether the load generator was the limit in one of them, so that the server can do more.
    """

    x: float
    y: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Series:
    """The curve of one server.

    Attributes:
        server: its name.
        number: its position among the servers of the spec, from 0; it selects colour and mark.
        points: from left to right.
    """

    server: str
    number: int
    points: Sequence[Point]

    def marked_points(self, axis: Axis) -> list[int]:
        """Return the numbers of the points with a mark: all if they are few, else those at x ticks, and the last."""
        if len(self.points) <= 2 * MAX_TICKS:
            return list(range(len(self.points)))
        shares = [axis.share(point.x) for point in self.points]
        nearest = {
            min(range(len(shares)), key=lambda number: abs(shares[number] - axis.share(tick))) for tick, _ in axis.ticks
        }
        return sorted({*nearest, len(shares) - 1})


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        spec: the name of the spec.
        kind: one of KINDS.
        title: what it shows.
        conditions: what was the same for all points, in words.
        x: the x axis.
        y: the y axis.
        series: a curve for each server.
        number: its number among the charts of this kind and spec, from 1: one for each set of conditions.
    """

    spec: str
    kind: str
    title: str
    conditions: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    number: int = 1

    @property
    def name(self) -> str:
        """Its name, unique in the run: "SPEC-KIND", "SPEC-KIND-2"."""
        return f"{self.spec}-{self.kind}" + (f"-{self.number}" if self.number > 1 else "")

    def positions(self, points: Sequence[Point]) -> tuple[list[float], list[float]]:
        """Return the x and the y positions of points, as shares of the axes."""
        return [self.x.share(point.x) for point in points], [self.y.share(point.y) for point in points]

    @property
    def has_spread(self) -> bool:
        """Whether the trials of any point differ."""
        return any(point.low < point.high for series in self.series for point in series.points)

    @property
    def has_limited(self) -> bool:
        """Whether the load generator was the limit at any point."""
        return any(point.at_least for series in self.series for point in series.points)


def charts(run: Run) -> list[Chart]:
    """Return all charts for which a run has figures, spec by spec; a curve has at least two points."""
    all_charts: list[Chart] = []
    for spec in dict.fromkeys(server.spec for server in run.info.implementations):
        servers = [server.name for server in run.info.implementations if server.spec == spec]
        trials = [trial for trial in run.trials if trial.plan.spec == spec and is_valid(trial)]
        all_charts += _latency(spec, servers, [block for block in run.blocks if block.spec == spec])
        for kind in (_throughput, _drops):
            all_charts += kind(spec, servers, trials)
    return all_charts


def missing(run: Run, drawn: Sequence[Chart]) -> list[str]:
    """Return a sentence for each spec that lacks a chart of some kind among the drawn ones."""
    sentences = []
    for spec in dict.fromkeys(server.spec for server in run.info.implementations):
        kinds = {chart.kind for chart in drawn if chart.spec == spec}
        if lacking := [kind for kind in KINDS if kind not in kinds]:
            sentences.append(f"{spec}: no curve of {', '.join(lacking)}: a curve needs two points")
    return sentences


def thinned(chart: Chart) -> Chart:
    """Return a chart with no more servers than there is room for names, from all parts of the list.

    Its conditions say how many are left out. The servers are numbered anew, so that their colours and marks differ.
    """
    count = len(chart.series)
    if count <= MOST_NAMED:
        return chart
    places = [place * (count - 1) // (MOST_NAMED - 1) for place in range(MOST_NAMED)]
    series = [replace(chart.series[place], number=number) for number, place in enumerate(places)]
    conditions = "; ".join(filter(None, [chart.conditions, f"{MOST_NAMED} of {count} servers"]))
    return replace(chart, series=series, conditions=conditions)


def is_valid(trial: TrialResult) -> bool:
    """Return whether a trial finished and nothing disturbed it."""
    return not (trial.did_not_finish or trial.disturbed)


def latency_points(histograms: Sequence[str], missing: int = 0) -> list[Point]:
    """Return the latencies of merged histograms in ms, at x = 1 / (1 - q) for quantiles q; none of empty ones.

    On a logarithmic x axis every nine of a percentile has the same width then. The last quantile is the one below which
    all but one message lie: the histogram says nothing about higher ones.

    Args:
        histograms: those to merge.
        missing: how many messages never came. They are later than any, so that the curve ends before them.
    """
    whole = latency.merge(histograms)
    if not (count := whole.get_total_count()):
        return []
    total = count + missing
    first, last = 1 / (1 - FIRST_QUANTILE), max(2.0, total / max(1, missing))
    steps = math.ceil(math.log10(last) * STEPS_A_DECADE)
    fine = (10 ** (step / STEPS_A_DECADE) for step in range(steps))
    xs = sorted({first, 2.0, last, *(x for x in fine if x >= first)})
    times = latency.percentiles_ns(whole, [min(100.0, 100 * (1 - 1 / x) * total / count) for x in xs])
    return [Point(x, ns / 1e6, ns / 1e6, ns / 1e6) for x, ns in zip(xs, times, strict=True)]


# --- the kinds of charts


def _latency(spec: str, servers: Sequence[str], blocks: Sequence[BlockResult]) -> Iterator[Chart]:
    curves = []
    for number, server in enumerate(servers):
        slices = [result for block in blocks for result in usable(block.slices_of(Entry(server)))]
        histograms = [result.histogram for result in slices if result.histogram]
        if points := latency_points(histograms, missing_messages(slices)):
            curves.append(Series(server, number, points))
    if curves:
        xs = [point.x for curve in curves for point in curve.points]
        nines = [(10.0**n, f"{100 - 100 / 10**n:.10g} %") for n in range(1, math.floor(math.log10(max(xs))) + 1)]
        yield Chart(
            spec=spec,
            kind="latency",
            title="latency in ms, from the intended time of sending",
            conditions=f"{blocks[-1].clients} clients, a fixed rate, {len(blocks)} blocks",
            x=log_axis("share of all messages that took no longer", xs, [(2.0, "50 %"), *nines]),
            y=log_axis("ms", [point.y for curve in curves for point in curve.points]),
            series=curves,
        )


def _throughput(spec: str, servers: Sequence[str], trials: Sequence[TrialResult]) -> Iterator[Chart]:
    flat_out = [trial for trial in trials if {DELIVERIES.name, CLIENTS.name, IN_FLIGHT.name} <= trial.figures.keys()]
    chosen = [trial for trial in flat_out if trial.figures[DELIVERIES.name] > 0]  # the axis is logarithmic
    groups = curves_by_conditions(servers, chosen, "clients", CLIENTS, DELIVERIES)
    for number, (conditions, curves) in enumerate(groups, 1):
        xs = sorted({point.x for curve in curves for point in curve.points})
        yield Chart(
            spec=spec,
            kind="throughput",
            title="deliveries a second, flat out, against clients",
            conditions=conditions,
            x=log_axis(CLIENTS.label, xs, [(x, tick_text(x)) for x in xs] if len(xs) <= MAX_TICKS else ()),
            y=log_axis(
                f"{DELIVERIES.label}/s",
                [y for curve in curves for point in curve.points for y in (point.low, point.high)],
            ),
            series=curves,
            number=number,
        )


def _drops(spec: str, servers: Sequence[str], trials: Sequence[TrialResult]) -> Iterator[Chart]:
    chosen = [trial for trial in trials if {OFFERED.name, DROPS.name} <= trial.figures.keys()]
    groups = curves_by_conditions(servers, chosen, "rate_per_s", OFFERED, DROPS, scale=100)
    for number, (conditions, curves) in enumerate(groups, 1):
        yield Chart(
            spec=spec,
            kind="drops",
            title="deliveries dropped, in %, against the offered rate",
            conditions=conditions,
            x=log_axis(OFFERED.title, [point.x for curve in curves for point in curve.points]),
            y=percent_axis(DROPS.title, [point.high for curve in curves for point in curve.points]),
            series=curves,
            number=number,
        )


def curves_by_conditions(
    servers: Sequence[str], trials: Sequence[TrialResult], varied: str, x: Figure, y: Figure, *, scale: float = 1
) -> Iterator[tuple[str, list[Series]]]:
    """Yield, for each group of trials under the same conditions, these conditions and the curves of the servers.

    Args:
        servers: the names of the servers of the spec.
        trials: the trials.
        varied: the parameter in which trials of one group may differ.
        x: the figure on the x axis.
        y: the figure on the y axis.
        scale: y is multiplied by it.
    """
    groups: defaultdict[Parameters, list[TrialResult]] = defaultdict(list)
    for trial in trials:
        groups[_conditions(trial, varied)].append(trial)
    for conditions, group in groups.items():
        curves = []
        for number, server in enumerate(servers):
            own = [trial for trial in group if trial.plan.implementation == server]
            xs = sorted({trial.figures[x.name] for trial in own})
            if len(xs) > 1:
                by_x = [(at, [trial for trial in own if trial.figures[x.name] == at]) for at in xs]
                curves.append(Series(server, number, [_point(at, some, y, scale) for at, some in by_x]))
        if curves:
            yield _conditions_text(conditions), curves


def _point(x: float, trials: Sequence[TrialResult], y: Figure, scale: float) -> Point:
    values = [trial.figures[y.name] * scale for trial in trials]
    limited = any(map(limited_by_generator, trials))
    return Point(x, statistics.median(values), min(values), max(values), limited)


def _conditions(trial: TrialResult, varied: str) -> Parameters:
    return tuple((name, value) for name, value in trial.plan.parameters.items() if name not in {varied, *HOW_MUCH})


def _conditions_text(parameters: Parameters) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in parameters)
