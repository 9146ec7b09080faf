"""What a run shows as pictures: plain series of numbers, before anybody draws them.

Three kinds for each spec: how latency is distributed, throughput against clients, drops against the offered rate.
Trials count that finished, were not disturbed and are no ghost's. A point is the median of the trials of all blocks; a
latency comes from their merged histograms. Like is compared with like: trials whose parameters differ in more than
what is on the x axis, and for how long they went on, are no points of one chart.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.league.valid_trials import limited_by_generator
from harness.load import latency
from harness.model import Run, TrialResult
from harness.report.scales import MOST_TICKS, Axis, in_short, log_axis, percent_axis

LATENCIES_OF = "paced"  # the workload whose p50 and p99 stand in the league
HOW_LONG = {"seconds", "warm_up_s", "blocks"}  # parameters that say how much was measured, and not of what
STEPS_A_DECADE = 20  # of 1 / (1 - q), from one point of a distribution to the next
FIRST_QUANTILE = 0.1  # before it lies the luck of very few

KINDS = ("latency", "throughput", "drops")

Parameters = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Point:
    """A point of a curve: the median of some trials, their lowest and their highest.

    Attributes:
        at_least: the load generator was the limit in one of them, so the server can do more.
    """

    x: float
    y: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Series:
    """The curve of one server, from left to right; `number` is its place among the servers of the spec, from 0."""

    server: str
    number: int
    points: Sequence[Point]

    def marked(self, axis: Axis) -> list[int]:
        """Return which points get a mark: all when they are few, else those at the ticks of the x axis and the last."""
        if len(self.points) <= 2 * MOST_TICKS:
            return list(range(len(self.points)))
        shares = [axis.share(one.x) for one in self.points]
        nearest = {
            min(range(len(shares)), key=lambda one: abs(shares[one] - axis.share(tick))) for tick, _ in axis.ticks
        }
        return sorted({*nearest, len(shares) - 1})


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        kind: one of KINDS.
        number: of its kind and spec, from 1: there is one for each group of trials that are alike.
        conditions: what was the same for all points, in words.
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
        """What to call it, unlike any other chart of the run: "SPEC-KIND", "SPEC-KIND-2"."""
        return f"{self.spec}-{self.kind}" + (f"-{self.number}" if self.number > 1 else "")

    def places(self, points: Sequence[Point]) -> tuple[list[float], list[float]]:
        """Return where points are, as shares of both axes."""
        return [self.x.share(one.x) for one in points], [self.y.share(one.y) for one in points]

    @property
    def has_spread(self) -> bool:
        """Whether trials of one point lay apart."""
        return any(point.low < point.high for one in self.series for point in one.points)

    @property
    def has_limited(self) -> bool:
        """Whether the load generator was the limit somewhere."""
        return any(point.at_least for one in self.series for point in one.points)


def charts(run: Run) -> list[Chart]:
    """Return all charts for which a run has figures, spec by spec; a curve has two points or more."""
    found = []
    for spec in dict.fromkeys(one.spec for one in run.info.implementations):
        servers = [one.name for one in run.info.implementations if one.spec == spec]
        trials = [one for one in run.trials if one.plan.spec == spec and _counts(one)]
        found += [*_latency(spec, servers, trials), *_throughput(spec, servers, trials), *_drops(spec, servers, trials)]
    return found


def missing(run: Run, found: Sequence[Chart]) -> list[str]:
    """Return a sentence for each spec that has no chart of some kind among those found."""
    sentences = []
    for spec in dict.fromkeys(one.spec for one in run.info.implementations):
        kinds = {one.kind for one in found if one.spec == spec}
        if lacking := [kind for kind in KINDS if kind not in kinds]:
            sentences.append(f"{spec}: nothing to draw of {', '.join(lacking)}: a curve takes two points")
    return sentences


def _counts(trial: TrialResult) -> bool:
    return not (trial.did_not_finish or trial.disturbed or trial.plan.is_control)


def latency_points(histograms: Sequence[str]) -> list[Point]:
    """Return the latencies in ms of merged histograms, at x = 1 / (1 - q) for quantiles q; none of empty ones.

    On a logarithmic x axis every nine of a percentile then has the same room. The last quantile is the one below which
    all but one message are: beyond it there is nothing to tell.
    """
    whole = latency.merge(histograms)
    if not (count := whole.get_total_count()):
        return []
    first, last = 1 / (1 - FIRST_QUANTILE), max(2, count)
    steps = math.ceil(math.log10(last) * STEPS_A_DECADE)
    fine = (10 ** (step / STEPS_A_DECADE) for step in range(steps))
    xs = sorted({first, 2.0, float(last), *(x for x in fine if x >= first)})
    times = latency.percentiles_ns(whole, [100 * (1 - 1 / x) for x in xs])
    return [Point(x, ns / 1e6, ns / 1e6, ns / 1e6) for x, ns in zip(xs, times, strict=True)]


# --- the kinds of charts


def _latency(spec: str, servers: Sequence[str], trials: Sequence[TrialResult]) -> Iterator[Chart]:
    chosen = [one for one in trials if one.plan.workload == LATENCIES_OF and one.histogram]
    series = []
    for number, server in enumerate(servers):
        if points := latency_points([one.histogram for one in chosen if one.plan.implementation == server]):
            series.append(Series(server, number, points))
    if series:
        xs = [point.x for one in series for point in one.points]
        nines = [(10.0**n, f"{100 - 100 / 10**n:.10g} %") for n in range(1, math.floor(math.log10(max(xs))) + 1)]
        yield Chart(
            spec=spec,
            kind="latency",
            title="latency in ms, from the intended time of sending",
            conditions=_conditions_text(_conditions(chosen[0], "")),
            x=log_axis("this share of all messages took no longer", xs, [(2.0, "50 %"), *nines]),
            y=log_axis("ms", [point.y for one in series for point in one.points]),
            series=series,
        )


def _throughput(spec: str, servers: Sequence[str], trials: Sequence[TrialResult]) -> Iterator[Chart]:
    told = [one for one in trials if {"deliveries_per_s", "clients", "window"} <= one.figures.keys()]
    chosen = [one for one in told if one.figures["deliveries_per_s"] > 0]  # nothing at all has no logarithm
    groups = _curves(servers, chosen, "clients", "clients", "deliveries_per_s", 1)
    for number, (conditions, series) in enumerate(groups, 1):
        xs = sorted({point.x for one in series for point in one.points})
        yield Chart(
            spec=spec,
            kind="throughput",
            title="deliveries a second, flat out, against clients",
            conditions=conditions,
            x=log_axis("clients", xs, [(x, in_short(x)) for x in xs] if len(xs) <= MOST_TICKS else ()),
            y=log_axis("deliveries/s", [y for one in series for point in one.points for y in (point.low, point.high)]),
            series=series,
            number=number,
        )


def _drops(spec: str, servers: Sequence[str], trials: Sequence[TrialResult]) -> Iterator[Chart]:
    chosen = [one for one in trials if {"offered_per_s", "dropped_share"} <= one.figures.keys()]
    groups = _curves(servers, chosen, "rate_per_s", "offered_per_s", "dropped_share", 100)
    for number, (conditions, series) in enumerate(groups, 1):
        yield Chart(
            spec=spec,
            kind="drops",
            title="deliveries dropped, in %, against the offered rate",
            conditions=conditions,
            x=log_axis("messages/s offered", [point.x for one in series for point in one.points]),
            y=percent_axis("% dropped", [point.high for one in series for point in one.points]),
            series=series,
            number=number,
        )


def _curves(
    servers: Sequence[str], trials: Sequence[TrialResult], varied: str, x: str, y: str, unit: float
) -> Iterator[tuple[str, list[Series]]]:
    """Yield, for each group of trials that are alike, what they have in common and the curves of the servers.

    Args:
        varied: the parameter in which they may differ.
        x, y: figures.
        unit: by which y is multiplied.
    """
    groups: defaultdict[Parameters, list[TrialResult]] = defaultdict(list)
    for one in trials:
        groups[_conditions(one, varied)].append(one)
    for alike, members in groups.items():
        series = []
        for number, server in enumerate(servers):
            mine = [one for one in members if one.plan.implementation == server]
            xs = sorted({one.figures[x] for one in mine})
            if len(xs) > 1:
                at = [[one for one in mine if one.figures[x] == place] for place in xs]
                series.append(Series(server, number, [_point(same, x, y, unit) for same in at]))
        if series:
            yield _conditions_text(alike), series


def _point(trials: Sequence[TrialResult], x: str, y: str, unit: float) -> Point:
    values = [one.figures[y] * unit for one in trials]
    limited = any(map(limited_by_generator, trials))
    return Point(trials[0].figures[x], statistics.median(values), min(values), max(values), limited)


def _conditions(trial: TrialResult, varied: str) -> Parameters:
    return tuple((name, value) for name, value in trial.plan.parameters.items() if name not in {varied, *HOW_LONG})


def _conditions_text(parameters: Parameters) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in parameters)
