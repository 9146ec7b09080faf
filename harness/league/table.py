"""What a run adds up to: for each server its figures over all blocks, and between which ranks it is.

A figure is the median over the blocks, its spread the smallest and the largest; latencies come from the merged
histograms of all blocks. Ranks are intervals, from the deliveries a second of the same blocks
(see `harness.league.inference`). Which trials count is in `harness.league.valid_trials`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness import plugins
from harness.conformance.pool import checked
from harness.league.comparisons import Comparisons, Entry, compare, scores
from harness.league.inference import rank_intervals, tie_letters
from harness.league.pareto import dominators
from harness.league.plan import BASELINE, RANKED, RANKED_BY
from harness.league.profiles import PROFILES
from harness.league.valid_trials import limited_by_generator, valid_trials
from harness.load import latency
from harness.model import CheckResult, Implementation, Run, TrialResult, Verdict

TOO_MANY_DISCARDED = 0.2  # of all trials: beyond it a run says more about the machine than about the servers


@dataclass(frozen=True)
class Summary:
    """A measured quantity over the blocks of a run.

    Attributes:
        at_least: the generator was the limit in some block, so the server can do more.
    """

    median: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Row:
    """One server in the league.

    Attributes:
        place: from 1, in the table; None when it is not ranked.
        rank: the first and the last rank it can have; rank_in_class: the same among those of its class.
        ties: letters; servers that cannot be told apart have one in common.
        beaten_by: who is no worse in anything (see `harness.league.pareto`); None where that cannot be said.
        more: all figures of the workload that ranks, by name, and those that only idle clients or a fixed rate tell.
        others: workload and figure, for what workloads tell in the table of their own (see `Workload.tells`).
        note: why it is not ranked or did not finish, or "".
    """

    implementation: Implementation
    checked: CheckResult | None
    code_lines: int
    position: int | None = None
    rank: tuple[int, int] = (0, 0)
    rank_in_class: tuple[int, int] = (0, 0)
    ties: str = ""
    dominated_by: Sequence[str] | None = None
    deliveries_per_s: Summary | None = None
    p50_ns: float | None = None
    p99_ns: float | None = None
    rss_idle_bytes: Summary | None = None
    figures: Mapping[str, Summary] = field(default_factory=dict)
    other_figures: Mapping[tuple[str, str], Summary] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class League:
    """The table of one spec: ranked rows first, then those that did not finish or did not pass.

    Attributes:
        standing: how the ranked servers, and the ghost if there is one, stand to each other.
        blocks: how many blocks the ranks are from, those included that were added.
        ceiling: deliveries a second of the null server; None when it was not loaded.
        made: trials of this spec, the disturbed ones included; discarded: how many these are.
        always_disturbed: "server (workload)" for those that have but disturbed trials, which count then.
    """

    spec: str
    rows: Sequence[Row]
    conditions: Sequence[str]
    comparisons: Comparisons
    blocks: int
    baseline: Summary | None
    trials: int
    disturbed: int
    always_disturbed: Sequence[str]

    @property
    def control(self) -> tuple[int, int] | None:
        """The numbers of the ghost and of its twin in the standing; None without a ghost, or when its twin is out."""
        entries = self.comparisons.entries
        found = [place for place, one in enumerate(entries) if one.is_control and Entry(one.name) in entries]
        return (found[0], self.comparisons.index(Entry(entries[found[0]].name))) if found else None

    @property
    def invalid(self) -> str:
        """Why the whole run is not to be trusted, or ""."""
        if self.disturbed > TOO_MANY_DISCARDED * self.trials:
            return f"{self.disturbed} of {self.trials} trials were disturbed, more than a fifth"
        if self.control and (self.comparisons.better | self.comparisons.better.T)[self.control]:
            return f"{self.comparisons.entries[self.control[0]].name} was told apart from itself"
        return ""


def leagues(run: Run) -> list[League]:
    """Return the league of every spec in a run."""
    names = dict.fromkeys(one.spec for one in run.info.implementations)
    return [_league(run, spec) for spec in names]


def _league(run: Run, spec: str) -> League:
    made = [one for one in run.trials if one.plan.spec == spec]
    trials = valid_trials(made)
    rows = [_row(run, one, trials) for one in run.info.implementations if one.spec == spec]
    ranked = [row for row in rows if row.deliveries_per_s and not row.note]
    names = {row.implementation.name for row in ranked}
    flood = [one for one in trials if one.plan.workload == RANKED and one.plan.implementation in names]
    entries = [Entry(row.implementation.name) for row in ranked]
    entries += [
        Entry(name, is_control=True)
        for name in dict.fromkeys(one.plan.implementation for one in flood if one.plan.is_control)
    ]
    of = scores(flood, entries, RANKED, RANKED_BY)
    slowed = {row.implementation.name for row in ranked if row.deliveries_per_s and row.deliveries_per_s.at_least}
    limited = np.array([one.name in slowed for one in entries], np.bool_)
    planned = PROFILES[run.info.profile].blocks if run.info.profile in PROFILES else len(of)
    stand = compare(of, entries, planned=planned, seed=run.info.seed, limited=limited)
    placed = _ranked_rows(ranked, stand)
    return League(
        spec=spec,
        rows=[*placed, *(row for row in rows if row not in ranked)],
        conditions=_conditions(trials),
        comparisons=stand,
        blocks=len(of),
        baseline=_summary([one for one in trials if one.plan.workload == BASELINE], RANKED_BY),
        trials=len(made),
        disturbed=sum(bool(one.disturbed) for one in made),
        always_disturbed=list(
            dict.fromkeys(f"{one.plan.implementation} ({one.plan.workload})" for one in trials if one.disturbed)
        ),
    )


def _ranked_rows(ranked: Sequence[Row], stand: Comparisons) -> list[Row]:
    """Return the ranked rows, the numbers of which are those of the first entries, from the best to the worst."""
    order = stand.order(range(len(ranked)))
    ranks = dict(zip(order, rank_intervals(stand.better, order), strict=True))
    ties = dict(zip(order, tie_letters(stand.better[np.ix_(order, order)]), strict=True))
    in_class: dict[int, tuple[int, int]] = {}
    for category in {row.implementation.category for row in ranked}:
        mine = [one for one in order if ranked[one].implementation.category == category]
        in_class |= zip(mine, rank_intervals(stand.better, mine), strict=True)
    dominators_of = dominators([_qualities(row) for row in ranked], stand.better)
    return [
        replace(
            ranked[one],
            position=position,
            rank=ranks[one],
            rank_in_class=in_class[one],
            ties=ties[one],
            dominated_by=None
            if (by := dominators_of[one]) is None
            else [ranked[other].implementation.name for other in by],
        )
        for position, one in enumerate(order, 1)
    ]


def _qualities(row: Row) -> Sequence[float] | None:
    """Return what a server is judged by beside its rank: the smaller, the better; None when something is missing."""
    if row.p99_ns is None or row.rss_idle_bytes is None or not row.code_lines:
        return None
    return row.p99_ns, row.rss_idle_bytes.median, row.code_lines


def _conditions(trials: Sequence[TrialResult]) -> list[str]:
    """Return a sentence for each workload: what it did, and how often."""
    sentences = []
    for workload in dict.fromkeys(one.plan.workload for one in trials):
        plans = [one.plan for one in trials if one.plan.workload == workload]
        same = set.intersection(*(set(plan.parameters.items()) for plan in plans))
        told = {name: value for name, value in plans[0].parameters.items() if (name, value) in same}
        said = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in told.items() if name != "blocks")
        sentences.append(f"{workload}: {said}; {_counted(len({plan.block for plan in plans}), 'block')}")
    return sentences


def _summary(chosen: Iterable[TrialResult], name: str) -> Summary | None:
    told = [one for one in chosen if name in one.figures]
    if not told:
        return None
    values = [one.figures[name] for one in told]
    return Summary(
        statistics.median(values), min(values), max(values), at_least=any(limited_by_generator(one) for one in told)
    )


def _row(run: Run, implementation: Implementation, counts: Sequence[TrialResult]) -> Row:
    mine = [one for one in run.cases if one.spec == implementation.spec]
    found = checked(implementation, mine) if mine else None
    trials = [one for one in counts if one.plan.implementation == implementation.name]
    note = ""
    key = f"{implementation.spec}/{implementation.name}"
    if reason := run.info.unavailable.get(key):
        note = f"not here: {reason}"
    elif found and found.verdict is not Verdict.PASS:
        failed = found.count(Verdict.FAIL)
        note = f"not measured: {failed} failed" if failed else "not measured: conformance unknown"
    elif unfinished := next((one for one in trials if one.did_not_finish), None):
        note = f"did not finish ({unfinished.plan.workload}): {unfinished.did_not_finish}"
    trials = [one for one in trials if not one.plan.is_control]
    of = {name: [one for one in trials if one.plan.workload == name] for name in ("paced", "idle", RANKED)}
    histograms = [one.histogram for one in of["paced"] if one.histogram]
    times = latency.merge(histograms) if histograms else None
    names = {name: workload for workload, some in of.items() for one in some for name in one.figures}
    more = {name: figure for name, workload in names.items() if (figure := _summary(of[workload], name))}
    return Row(
        implementation=implementation,
        checked=found,
        code_lines=run.info.code_lines.get(key, 0),
        deliveries_per_s=_summary(of[RANKED], RANKED_BY),
        p50_ns=latency.percentile_ns(times, 50) if times else None,
        p99_ns=latency.percentile_ns(times, 99) if times else None,
        rss_idle_bytes=_summary(of["idle"], "rss_idle_bytes"),
        figures=more,
        other_figures=_others(trials),
        note=note,
    )


def _others(trials: Sequence[TrialResult]) -> dict[tuple[str, str], Summary]:
    known = plugins.workloads()
    names = [name for name in dict.fromkeys(one.plan.workload for one in trials) if name in known]
    told = [(name, figure) for name in names for figure in known[name].tells]
    by_name = {name: [one for one in trials if one.plan.workload == name] for name in names}
    return {what: found for what in told if (found := _summary(by_name[what[0]], what[1]))}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
