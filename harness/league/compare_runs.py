"""Compares two runs, or two servers of one run: differences with simultaneous intervals.

Two servers of one run are compared block by block, so that what a block has in common cancels. Two runs have nothing
in common but their plan: their blocks are paired by number, which cancels nothing and is as good as any other pairing.
A figure is compared by its logarithm; a figure that is zero somewhere, as drops are, is not compared. All differences
of one comparison together keep the family-wise error of `harness.league.inference`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness import plugins
from harness.blocks import BlockResult, Entry
from harness.figures import Better, Figure
from harness.league.comparisons import EQUIVALENCE_MARGIN, looks
from harness.league.inference import Floats, differences
from harness.league.measures import MEASURES
from harness.league.report_card import League, leagues
from harness.league.slice_scores import block_weights
from harness.league.valid_trials import valid_trials
from harness.model import Run


@dataclass(frozen=True)
class Change:
    """The difference in one figure: second against first.

    Attributes:
        spec: the name of the spec.
        server: its name; for two servers "A → B".
        workload: the workload that measured the figure.
        figure: the figure.
        first: the median of the first.
        second: the median of the second.
        blocks: how many blocks both have.
        mean: the mean of the logarithm of the ratio, over these blocks.
        low: the lower end of its interval; NaN where there are too few blocks.
        high: the upper end.
        is_significant: whether it differs significantly from zero.
    """

    spec: str
    server: str
    workload: str
    figure: Figure
    first: float
    second: float
    blocks: int
    mean: float
    low: float
    high: float
    is_significant: bool

    @property
    def words(self) -> str:
        """What the interval says, in words."""
        if math.isnan(self.low):
            return "too few blocks"
        is_small = max(abs(self.low), abs(self.high)) <= EQUIVALENCE_MARGIN
        if not self.is_significant:
            return "equivalent" if is_small else "no significant difference"
        if self.figure.better is Better.NEITHER:
            word = "higher" if self.mean > 0 else "lower"
        else:
            word = "better" if (self.mean > 0) == (self.figure.better is Better.MORE) else "worse"
        return word + (", by less than 3 %" if is_small else "")


@dataclass(frozen=True)
class Comparison:
    """One figure of two servers, or of one server in two runs: the logarithms of both sides, block by block.

    Attributes:
        spec: the name of the spec.
        server: its name; for two servers "A → B".
        workload: the workload that measured the figure.
        figure: the figure.
        first: of the first side; NaN in blocks that lack it.
        second: of the other side.
        weights: how much each block counts.
    """

    spec: str
    server: str
    workload: str
    figure: Figure
    first: Floats
    second: Floats
    weights: Floats


def of_servers(run: Run, first: str, second: str) -> list[Change]:
    """Return how two servers of a run differ, in every spec that both serve.

    Args:
        run: the run.
        first: the name of the server that the other one is compared with.
        second: the name of the other server.
    """
    comparisons: list[Comparison] = []
    for spec in dict.fromkeys(server.spec for server in run.info.implementations):
        comparisons += pair_in_blocks([block for block in run.blocks if block.spec == spec], spec, first, second)
        comparisons += _in_trials(run, run, spec, (first, second))
    return changes_of(comparisons, seed=run.info.seed)


def of_runs(first: Run, second: Run) -> list[Change]:
    """Return how the servers that two runs have in common changed from the first run to the second."""
    in_second = {(server.spec, server.name) for server in second.info.implementations}
    comparisons: list[Comparison] = []
    for spec, name in [(server.spec, server.name) for server in first.info.implementations]:
        if (spec, name) in in_second:
            blocks = [[block for block in run.blocks if block.spec == spec] for run in (first, second)]
            comparisons += _in_blocks(blocks[0], blocks[1], spec, (name, name))
            comparisons += _in_trials(first, second, spec, (name, name))
    return changes_of(comparisons, seed=first.info.seed)


def pair_in_blocks(blocks: Sequence[BlockResult], spec: str, first: str, second: str) -> Iterator[Comparison]:
    """Yield the comparisons of two servers of the same blocks.

    Args:
        blocks: the results.
        spec: the name of their spec.
        first: the name of the server that the other one is compared with.
        second: the name of the other server.
    """
    yield from _in_blocks(blocks, blocks, spec, (first, second))


def _in_blocks(
    first: Sequence[BlockResult], second: Sequence[BlockResult], spec: str, names: tuple[str, str]
) -> Iterator[Comparison]:
    entries = [Entry(name) for name in names]
    for measure in MEASURES.values():
        limited = frozenset[Entry]().union(
            *(measure.limited_entries(some, [entry]) for some, entry in zip((first, second), entries, strict=True))
        )
        sides = [
            measure.sign * measure.scores(some, [entry], limited)[:, 0]
            for some, entry in zip((first, second), entries, strict=True)
        ]
        title = f"{measure.title} (a second of its processor time)" if limited else measure.title
        yield from _comparison(spec, names, title, measure.figure, sides, block_weights(first))


def _in_trials(first: Run, second: Run, spec: str, names: tuple[str, str]) -> Iterator[Comparison]:
    """Yield the comparisons of the figures that other workloads report."""
    figures = plugins.figures()
    for workload_name, workload in plugins.workloads().items():
        for figure in workload.reported:
            sides = [
                _logarithms(run, spec, name, workload_name, figure)
                for run, name in zip((first, second), names, strict=True)
            ]
            yield from _comparison(spec, names, workload_name, figures[figure], sides, np.ones(len(sides[0])))


def _logarithms(run: Run, spec: str, server: str, workload: str, figure: str) -> Floats:
    """Return the logarithms of a figure in the trials of a server, by block; NaN where there is none."""
    values = {
        trial.plan.block: math.log(trial.figures[figure])
        for trial in valid_trials([trial for trial in run.trials if trial.plan.workload == workload])
        if (trial.plan.spec, trial.plan.implementation) == (spec, server) and trial.figures.get(figure, 0) > 0
    }
    return np.array([values.get(block, math.nan) for block in range(max(values, default=-1) + 1)])


def _comparison(
    spec: str, names: tuple[str, str], workload: str, figure: Figure, sides: Sequence[Floats], weights: Floats
) -> Iterator[Comparison]:
    """Yield the comparison of one figure, when there is any block that both sides have.

    Args:
        spec: the name of the spec.
        names: of the servers.
        workload: that measured the figure.
        figure: the figure.
        sides: the logarithms of both, by block.
        weights: how much each block of the first side counts.
    """
    blocks = min(map(len, sides))
    first, second = (side[:blocks] for side in sides)
    if not np.isnan(second - first).all():
        label = names[0] if names[0] == names[1] else " → ".join(names)
        yield Comparison(spec, label, workload, figure, first, second, weights[:blocks])


def changes_of(comparisons: Sequence[Comparison], *, seed: int) -> list[Change]:
    """Return the differences, with intervals that hold together.

    Args:
        comparisons: what is compared.
        seed: of the sign patterns.
    """
    if not comparisons:
        return []
    blocks = max(len(comparison.first) for comparison in comparisons)
    values = np.full((blocks, len(comparisons)), np.nan)
    weights = np.ones_like(values)
    for column, comparison in enumerate(comparisons):
        values[: len(comparison.first), column] = comparison.second - comparison.first
        weights[: len(comparison.first), column] = comparison.weights
    kinds = [(comparison.workload, comparison.figure.name) for comparison in comparisons]
    group_of = np.array([kinds.index(kind) for kind in kinds])
    result = differences(values, weights=weights, error=looks(blocks)[-1][1], seed=seed, groups=group_of)
    return [
        Change(
            spec=comparison.spec,
            server=comparison.server,
            workload=comparison.workload,
            figure=comparison.figure,
            first=math.exp(float(np.nanmedian(comparison.first))),
            second=math.exp(float(np.nanmedian(comparison.second))),
            blocks=int(result.blocks[column]),
            mean=float(result.mean[column]),
            low=float(result.low[column]),
            high=float(result.high[column]),
            is_significant=bool(result.significant[column]),
        )
        for column, comparison in enumerate(comparisons)
    ]


def warnings(first: Run, second: Run) -> list[str]:
    """Return what else differs between two runs and may be the cause of a change."""
    infos = first.info, second.info
    conditions = {
        "the machine": [
            f"{info.machine.processor}, {info.machine.cores} cores, {info.machine.memory_gib:g} GiB" for info in infos
        ],
        "the kernel": [info.machine.kernel for info in infos],
        "Python": [info.machine.python for info in infos],
        "the profile": [info.profile for info in infos],
        "the sandbox": ["on" if info.sandbox else "off" for info in infos],
        "zillions": [f"{info.version} at {info.commit or 'no commit'}" for info in infos],
    }
    versions = [{**info.machine.packages, **info.toolchains} for info in infos]
    for name in sorted(set(versions[0]) & set(versions[1])):
        conditions[name] = [some[name] for some in versions]
    sentences = [
        f"{name} differs: {before}, then {after}" for name, (before, after) in conditions.items() if before != after
    ]
    sentences += _changed_parameters(first, second)
    for run in (first, second):
        sentences += [
            f"{run.info.id} is invalid ({league.spec}): {league.invalid}" for league in leagues(run) if league.invalid
        ]
    return sentences


def _changed_parameters(first: Run, second: Run) -> Iterator[str]:
    """Yield a sentence for each workload whose parameters differ; those of a search differ in any case."""
    known = plugins.workloads()
    parameters = [{trial.plan.workload: trial.plan.parameters for trial in run.trials} for run in (first, second)]
    for workload in sorted(set(parameters[0]) & set(parameters[1])):
        before, after = (some[workload] for some in parameters)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if changed and not (workload in known and known[workload].search):
            values = ", ".join(f"{name} {before.get(name, 0):g}, then {after.get(name, 0):g}" for name in changed)
            yield f"the load {workload} differs: {values}"


def contradictions(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """Return the pairs of servers that two runs rank in opposite orders.

    A run ranks one server before another when they differ significantly, or when their rank intervals are disjoint.

    Returns:
        For each pair the spec, the server that is ahead in the first run, and the one that is ahead in the second.
    """
    pairs = []
    others = {league.spec: league for league in leagues(second)}
    for league in leagues(first):
        if league.spec in others:
            orders, other_orders = _orders(league), _orders(others[league.spec])
            pairs += [(league.spec, a, b) for a, b in sorted(orders) if (b, a) in other_orders]
    return pairs


def _orders(league: League) -> set[tuple[str, str]]:
    """Return the pairs of servers of which a league ranks the first before the second."""
    comparisons, orders = league.comparisons, set()
    for row, other in combinations(league.ranked, 2):
        i, j = (comparisons.index(Entry(each.implementation.name)) for each in (row, other))
        names = row.implementation.name, other.implementation.name
        if comparisons.better[i, j] or row.rank[1] < other.rank[0]:
            orders.add(names)
        if comparisons.better[j, i] or other.rank[1] < row.rank[0]:
            orders.add(names[::-1])
    return orders
