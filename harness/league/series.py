"""A server over many runs: a series for each kind of machine, in which the speed of the machine cancels.

Figures of different runs are not comparable, because machines and their load differ. What is comparable is a server
beside the others of its run. The runs of a series need not have the same servers, so the speed of a run is not the
median of those that took part, but the median of how each did against its own level in all runs: a model of two
factors, fitted by medians (Tukey's median polish). The server itself is left out where its run is judged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.blocks import Entry, Role
from harness.conformance.pool import combine_results
from harness.league.change_points import Shift, noise_of, shifts_in
from harness.league.inference import Floats
from harness.league.measures import BY_SCORE, DEFAULT_WEIGHTS, MEASURES
from harness.league.rows import failure_of
from harness.model import CheckResult, Run, RunInfo

SWEEPS = 20  # of the median polish; where every run has every server, two are enough
FEWEST_OTHERS = 2  # servers by which the speed of a run is judged

Levels = Mapping[str, Mapping[str, float]]  # server → measure → logarithm; more is better


@dataclass(frozen=True)
class SeriesPoint:
    """A server in one run.

    Attributes:
        run: the description of the run.
        checked: its conformance; None where it was not checked.
        others: how many other servers of its spec were measured.
        figures: by the name of a measure, its figure as it is stored; without those that it lacks.
        ratios: by the name of a measure, or "score", its ratio to the median server, where more is better.
        differences: what may be the cause of a shift, because the last run before that has ratios had something else:
            name → before, now.
    """

    run: RunInfo
    checked: CheckResult | None
    others: int
    figures: Mapping[str, float]
    ratios: Mapping[str, float]
    differences: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class ServerSeries:
    """The runs of a server on one kind of machine, from the oldest to the newest.

    Attributes:
        spec: the name of the spec.
        server: its name.
        machine: the kind of machine, in words.
        points: the server in each run.
        shifts: where its ratios changed their level, with the places in `points`.
    """

    spec: str
    server: str
    machine: str
    points: Sequence[SeriesPoint]
    shifts: Sequence[Shift]


def machine_kind(info: RunInfo) -> str:
    """Return the kind of machine on which a run was made."""
    return f"{info.machine.processor}, {info.machine.cores} core{'s' if info.machine.cores != 1 else ''}"


def series_of(runs: Sequence[Run], server: str, spec: str | None = None) -> list[ServerSeries]:
    """Return the series of a server, one for each spec and kind of machine.

    Args:
        runs: complete or not, in any order.
        server: its name.
        spec: only of this spec; None for all.

    Raises:
        UsageError: ruptures is not installed.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.info.started):
        for served in dict.fromkeys(each.spec for each in run.info.implementations if each.name == server):
            if spec in (None, served):
                groups.setdefault((served, machine_kind(run.info)), []).append(run)
    return [
        _series(some, [_levels(run, served) for run in some], server, served, machine)
        for (served, machine), some in sorted(groups.items())
    ]


def throughput_series(runs: Sequence[Run]) -> dict[tuple[str, str], list[ServerSeries]]:
    """Return by spec and name the series of every server, in the throughputs and the score; only the score is searched.

    It takes a fraction of the time that `series_of` takes for each server, because the levels are computed once.

    Args:
        runs: complete or not, in any order.

    Raises:
        UsageError: ruptures is not installed.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.info.started):
        for spec in dict.fromkeys(each.spec for each in run.info.implementations):
            groups.setdefault((spec, machine_kind(run.info)), []).append(run)
    found: dict[tuple[str, str], list[ServerSeries]] = {}
    for (spec, machine), some in sorted(groups.items()):
        measured = [_levels(run, spec, DEFAULT_WEIGHTS) for run in some]
        known = [{each.name for each in run.info.implementations if each.spec == spec} for run in some]
        for server in sorted(set().union(*known)):
            own = [place for place, names in enumerate(known) if server in names]
            series = _series(
                [some[place] for place in own],
                [measured[place] for place in own],
                server,
                spec,
                machine,
                searched=(BY_SCORE,),
            )
            found.setdefault((spec, server), []).append(series)
    return found


def _series(
    runs: Sequence[Run],
    measured: Sequence[Levels],
    server: str,
    spec: str,
    machine: str,
    *,
    searched: Sequence[str] = (BY_SCORE, *MEASURES),
) -> ServerSeries:
    """Return the series of a server.

    Args:
        runs: that have it, on one kind of machine, from the oldest to the newest.
        measured: how each server of each run did.
        server: its name.
        spec: the name of its spec.
        machine: the kind of machine, in words.
        searched: the measures that are searched for changes of level.
    """
    others = sorted({name for levels in measured for name in levels} - {server})
    ratios: dict[str, Floats] = {}
    shifts: list[Shift] = []
    for measure in dict.fromkeys([BY_SCORE, *(name for levels in measured for own in levels.values() for name in own)]):
        own, beside = (_table(measured, names, measure) for names in ([server], others))
        ratios[measure], noise = against_others(own[:, 0], beside)
        if measure in searched:
            shifts += shifts_in(measure, ratios[measure], noise)
    with_ratios = {int(place) for values in ratios.values() for place in np.flatnonzero(~np.isnan(values))}
    points = []
    for place, (run, levels) in enumerate(zip(runs, measured, strict=True)):
        own_levels = levels.get(server, {})
        # A level changes between runs that have ratios: what was new in a run between them may be the cause.
        before = next((each for each in range(place - 1, -1, -1) if each in with_ratios), max(0, place - 1))
        points.append(
            SeriesPoint(
                run=run.info,
                checked=_checked(run, server, spec),
                others=len(levels) - (server in levels),
                figures={
                    name: math.exp(measure.sign * own_levels[name])
                    for name, measure in MEASURES.items()
                    if name in own_levels
                },
                ratios={
                    name: math.exp(values[place]) for name, values in ratios.items() if not math.isnan(values[place])
                },
                differences=_differences(runs[before].info, run.info, server, spec),
            )
        )
    return ServerSeries(spec, server, machine, points, shifts)


def _levels(run: Run, spec: str, measures: Collection[str] = MEASURES) -> Levels:
    """Return how each server of a run did in some measures; without those that failed under load or are not right."""
    blocks = [block for block in run.blocks if block.spec == spec]
    names = dict.fromkeys(entry.name for block in blocks for entry in block.entries if entry.role is Role.SERVER)
    entries = [Entry(name) for name in names if not failure_of(blocks, name)]
    levels: dict[str, dict[str, float]] = {entry.name: {} for entry in entries}
    for name, measure in ((name, MEASURES[name]) for name in MEASURES if name in measures):
        scores = measure.scores(blocks, entries, frozenset())
        for entry, column in zip(entries, scores.T, strict=True):
            if not np.isnan(column).all():
                levels[entry.name][name] = float(np.nanmedian(column))
    for own in levels.values():
        if own.keys() >= DEFAULT_WEIGHTS.keys():
            own[BY_SCORE] = math.fsum(own[name] for name in DEFAULT_WEIGHTS) / len(DEFAULT_WEIGHTS)
    return levels


def _table(measured: Sequence[Levels], names: Sequence[str], measure: str) -> Floats:
    """Return the levels in a measure, runs × servers; NaN where there is none."""
    rows = [[levels.get(name, {}).get(measure, math.nan) for name in names] for levels in measured]
    return np.array(rows, dtype=float).reshape(len(measured), len(names))


def against_others(own: Floats, beside: Floats) -> tuple[Floats, float]:
    """Return the levels of a server against the median server, and the noise of such a series.

    Args:
        own: its logarithms, one for each run; NaN where there is none.
        beside: those of the other servers, runs × servers.

    Returns:
        For each run the logarithm of the ratio, NaN where there are too few others; and the median over the other
        servers of the standard deviation of their noise, NaN where that is unknown.
    """
    enough = (~np.isnan(beside)).sum(axis=1) >= FEWEST_OTHERS
    if not enough.any():
        return np.full(len(own), np.nan), math.nan
    beside = np.where(enough[:, None], beside, np.nan)
    speed = np.zeros(len(own))
    for _ in range(SWEEPS):
        before = speed
        level = _medians(beside - speed[:, None])
        speed = _medians((beside - level[None, :]).T)
        if np.array_equal(speed, before, equal_nan=True):
            break
    rest = beside - speed[:, None]
    noise = _medians(np.array([[noise_of(column)] for column in rest.T]))[0]
    return own - speed - _medians(level[:, None])[0], float(noise)


def _medians(values: Floats) -> Floats:
    """Return the median of each column without its NaNs, NaN where there is nothing else: a fast `nanmedian`."""
    counts = (~np.isnan(values)).sum(axis=0)
    ordered = np.sort(values, axis=0)  # NaNs come last
    columns, last = np.arange(values.shape[1]), np.maximum(0, counts - 1)
    medians: Floats = (ordered[last // 2, columns] + ordered[(last + 1) // 2, columns]) / 2
    return medians


def _checked(run: Run, server: str, spec: str) -> CheckResult | None:
    cases = [case for case in run.cases if (case.spec, case.implementation) == (spec, server)]
    found = next(each for each in run.info.implementations if (each.spec, each.name) == (spec, server))
    return combine_results(found, cases) if cases else None


def _differences(before: RunInfo, now: RunInfo, server: str, spec: str) -> dict[str, tuple[str, str]]:
    """Return what is not as it was in an earlier run.

    Args:
        before: the earlier run.
        now: the run.
        server: the name of the server.
        spec: the name of its spec.
    """
    old, new = _conditions(before, server, spec), _conditions(now, server, spec)
    return {name: (old[name], new[name]) for name in new if name in old and old[name] != new[name]}


def _conditions(info: RunInfo, server: str, spec: str) -> dict[str, str]:
    key = f"{spec}/{server}"
    found = next(each for each in info.implementations if (each.spec, each.name) == (spec, server))
    # Needs are written "kind:name>=version", and toolchains go by their names.
    needed = {need.partition(":")[2].partition(">=")[0] for need in found.needs}
    tools = {name: version for name, version in info.toolchains.items() if name in needed}
    packages = {} if found.build else {"Python": info.machine.python}
    packages |= {name: version for name, version in info.machine.packages.items() if name in needed}
    source = {"its source": info.sources[key]} if key in info.sources else {}
    return {
        **source,
        **tools,
        **packages,
        "commit": info.commit or "none",
        "zillions": info.version,
        "kernel": info.machine.kernel,
        "memory": f"{info.machine.memory_gib:g} GiB",
        "profile": info.profile,
        "load engine": info.engine,
    }
