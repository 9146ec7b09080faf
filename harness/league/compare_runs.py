"""What changed from one run to another, or from one server to another within a run: differences with intervals.

Within a run two servers are compared block by block, so that what a block has in common cancels. Two runs have nothing
in common but their plan: their blocks are paired by number, which cancels nothing and is as good as any other pairing.
A figure is compared as its logarithm; one that is nought somewhere, as drops are, is not. All that is compared at once
keeps together to the error of `harness.league.inference`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness import plugins
from harness.league.comparisons import EQUIVALENCE_MARGIN, Entry, looks, scores
from harness.league.inference import Floats, differences
from harness.league.plan import RANKED, RANKED_BY
from harness.league.profiles import PROFILES
from harness.league.table import League, leagues
from harness.league.valid_trials import valid_trials
from harness.model import Run, TrialResult

# What is compared beside that which workloads tell themselves (see `Workload.tells`).
FIGURES = (
    (RANKED, RANKED_BY),
    (RANKED, "server_cpu_ns_per_delivery"),
    ("paced", "latency_p50_ns"),
    ("paced", "latency_p99_ns"),
    ("idle", "rss_idle_bytes"),
    ("idle", "rss_per_client_bytes"),
)
MORE_IS_BETTER = ("_per_s", "_per_gb")  # ends of names; of all else less is better


@dataclass(frozen=True)
class Change:
    """How one figure differs: second against first.

    Attributes:
        server: its name, of two servers "A → B".
        first, second: the medians.
        mean: of the logarithm of the ratio, over the blocks that both have; low, high: its interval, NaN without one.
        told: whether it is told to differ.
    """

    spec: str
    server: str
    workload: str
    figure: str
    first: float
    second: float
    blocks: int
    mean: float
    low: float
    high: float
    is_significant: bool

    @property
    def words(self) -> str:
        """What can be said of it."""
        if math.isnan(self.low):
            return "too few blocks to tell"
        alike = max(abs(self.low), abs(self.high)) <= EQUIVALENCE_MARGIN
        if not self.is_significant:
            return "as good as equal" if alike else "cannot be told apart"
        better = (self.mean > 0) == self.figure.endswith(MORE_IS_BETTER)
        return ("better" if better else "worse") + (", by less than 3 %" if alike else "")


@dataclass(frozen=True)
class _Pair:
    """Two lists of trials of which each figure is compared."""

    spec: str
    server: str
    first: Sequence[TrialResult]
    second: Sequence[TrialResult]


def of_servers(run: Run, first: str, second: str) -> list[Change]:
    """Return how two servers of a run differ, in every spec that both serve."""
    pairs = []
    for spec in dict.fromkeys(one.spec for one in run.info.implementations):
        mine, others = (_trials(run, spec, name) for name in (first, second))
        pairs.append(_Pair(spec, f"{first} → {second}", mine, others))
    return _changes(pairs, run)


def of_runs(first: Run, second: Run) -> list[Change]:
    """Return how the servers that two runs have in common changed from the first to the second."""
    both = {(one.spec, one.name) for one in second.info.implementations}
    servers = [(one.spec, one.name) for one in first.info.implementations if (one.spec, one.name) in both]
    return _changes([_Pair(*one, _trials(first, *one), _trials(second, *one)) for one in servers], first, second)


def _trials(run: Run, spec: str, server: str) -> list[TrialResult]:
    mine = [one for one in run.trials if (one.plan.spec, one.plan.implementation) == (spec, server)]
    return [one for one in valid_trials(mine) if not one.plan.is_control]


def _changes(pairs: Sequence[_Pair], *runs: Run) -> list[Change]:
    told = [(name, figure) for name, workload in plugins.workloads().items() for figure in workload.tells]
    found = [
        (pair, workload, figure, first, second)
        for pair in pairs
        for workload, figure in dict.fromkeys((*FIGURES, *told))
        for first, second in _common(pair, workload, figure)
    ]
    if not found:
        return []
    blocks = max(len(first) for *_, first, _ in found)
    of = np.full((blocks, len(found)), np.nan)
    for place, (*_, first, second) in enumerate(found):
        of[: len(first), place] = second - first
    names = list(dict.fromkeys((workload, figure) for _, workload, figure, _, _ in found))
    kinds = np.array([names.index((workload, figure)) for _, workload, figure, _, _ in found])
    planned = min((PROFILES[run.info.profile].blocks for run in runs if run.info.profile in PROFILES), default=blocks)
    error = looks(planned, blocks)[-1][1]
    all_of_them = differences(of, error=error, seed=runs[0].info.seed, groups=kinds)
    return [
        Change(
            spec=pair.spec,
            server=pair.server,
            workload=workload,
            figure=figure,
            first=math.exp(float(np.nanmedian(first))),
            second=math.exp(float(np.nanmedian(second))),
            blocks=int(all_of_them.blocks[place]),
            mean=float(all_of_them.mean[place]),
            low=float(all_of_them.low[place]),
            high=float(all_of_them.high[place]),
            is_significant=bool(all_of_them.significant[place]),
        )
        for place, (pair, workload, figure, first, second) in enumerate(found)
    ]


def _common(pair: _Pair, workload: str, figure: str) -> Iterator[tuple[Floats, Floats]]:
    """Yield the scores of both in the blocks of both, when there is any block that both have."""
    made = [
        scores(some, [Entry(some[0].plan.implementation)], workload, figure)[:, 0]
        for some in (pair.first, pair.second)
        if some
    ]
    if len(made) == 2:
        blocks = min(map(len, made))
        first, second = (one[:blocks] for one in made)
        if not np.isnan(second - first).all():
            yield first, second


def warnings(first: Run, second: Run) -> list[str]:
    """Return what else differs between two runs, so that a change may not be the server's."""
    one, other = first.info, second.info
    what = {
        "the machine": [
            f"{info.machine.processor}, {info.machine.cores} cores, {info.machine.memory_gib:g} GiB"
            for info in (one, other)
        ],
        "the kernel": [one.machine.kernel, other.machine.kernel],
        "Python": [one.machine.python, other.machine.python],
        "the profile": [one.profile, other.profile],
        "zillions": [f"{info.version} at {info.commit or 'no commit'}" for info in (one, other)],
    }
    versions = [{**info.machine.packages, **info.toolchains} for info in (one, other)]
    for name in sorted(set(versions[0]) & set(versions[1])):
        what[name] = [some[name] for some in versions]
    found = [f"{name} differs: {before}, then {after}" for name, (before, after) in what.items() if before != after]
    loads = [{trial.plan.workload: trial.plan.parameters for trial in run.trials} for run in (first, second)]
    for workload in sorted(set(loads[0]) & set(loads[1])):
        before, after = (some[workload] for some in loads)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if changed and not _is_search(workload):
            said = ", ".join(f"{name} {before.get(name, 0):g}, then {after.get(name, 0):g}" for name in changed)
            found.append(f"the load {workload} differs: {said}")
    for run in (first, second):
        found += [
            f"{run.info.id} is invalid ({league.spec}): {league.invalid}" for league in leagues(run) if league.invalid
        ]
    return found


def _is_search(workload: str) -> bool:
    return hasattr(plugins.workloads().get(workload), "next_probe")


def contradictions(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """Return the pairs of servers that two runs rank in opposite order: spec, who is before in the first, who is after.

    A run ranks one before another when it tells them apart, directly or by rank intervals that have nothing in common.
    """
    found = []
    others = {league.spec: league for league in leagues(second)}
    for league in leagues(first):
        if league.spec in others:
            befores = [_before(one) for one in (league, others[league.spec])]
            found += [(league.spec, one, other) for one, other in sorted(befores[0]) if (other, one) in befores[1]]
    return found


def _before(league: League) -> set[tuple[str, str]]:
    ranked = [row for row in league.rows if row.position]
    stand, found = league.comparisons, set()
    for one, other in combinations(ranked, 2):
        i, j = (stand.index(Entry(row.implementation.name)) for row in (one, other))
        names = one.implementation.name, other.implementation.name
        if stand.better[i, j] or one.rank[1] < other.rank[0]:
            found.add(names)
        if stand.better[j, i] or other.rank[1] < one.rank[0]:
            found.add(names[::-1])
    return found
