"""Puts the results of a run together: the figures of each server over all blocks, and its rank interval.

A figure is summarised by its median over the blocks, with the lowest and the highest value; latency percentiles come
from the merged histograms of all blocks. Rank intervals come from the deliveries a second of the same blocks (see
`harness.league.inference`). `harness.league.valid_trials` decides which trials count.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness import plugins
from harness.conformance.pool import combine_results
from harness.league.comparisons import Comparisons, Entry, compare, scores
from harness.league.inference import rank_intervals, tie_letters
from harness.league.pareto import dominators
from harness.league.plan import BASELINE, RANKED, RANKED_BY
from harness.league.profiles import PROFILES
from harness.league.valid_trials import limited_by_generator, valid_trials
from harness.load import latency
from harness.model import CheckResult, Implementation, Run, TrialResult, Verdict

TOO_MANY_DISTURBED = 0.2  # as a share of all trials: beyond it a run measures the machine rather than the servers


@dataclass(frozen=True)
class Summary:
    """A figure over the blocks of a run.

    Attributes:
        median: of the values of the blocks.
        low: the lowest value.
        high: the highest value.
        at_least: whether the load generator was the limit in some block, so that the server can do more.
    """

    median: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Row:
    """One server in the league.

    Attributes:
        implementation: the server.
        checked: its conformance; None where it was not checked.
        code_lines: its lines of code; 0 where that is unknown.
        position: its position in the table, from 1; None when it is not ranked.
        rank: its rank interval: the first and the last rank it can have.
        rank_in_category: the same among the servers of its category.
        ties: tie letters; servers that do not differ significantly have one in common.
        dominated_by: the servers that dominate it (see `harness.league.pareto`); None where that is unknown.
        deliveries_per_s: the figure that ranks depend on.
        p50_ns: the median latency over all blocks.
        p99_ns: the 99th percentile of the latency over all blocks.
        rss_idle_bytes: resident memory with idle clients.
        figures: all figures, by name, of the workload that ranks, of the idle clients and of the fixed rate.
        other_figures: by workload and figure, those that other workloads report (see `Workload.reported`).
        note: why it is not ranked or did not finish, or "".
    """

    implementation: Implementation
    checked: CheckResult | None
    code_lines: int
    position: int | None = None
    rank: tuple[int, int] = (0, 0)
    rank_in_category: tuple[int, int] = (0, 0)
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
    """The table of one spec.

    Attributes:
        spec: the name of the spec.
        rows: the ranked servers first, then those that did not finish or did not pass.
        conditions: for each workload, a sentence about its parameters.
        comparisons: all pairs of ranked servers, and of the A/A control if there is one.
        blocks: how many blocks the ranks come from, including the added ones.
        baseline: deliveries a second of the baseline relay; None when it was not measured.
        trials: how many trials were made, including the disturbed ones.
        disturbed: how many of them were disturbed.
        always_disturbed: "server (workload)" for those that have only disturbed trials, which count then.
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
    def ranked(self) -> Sequence[Row]:
        """The rows of the ranked servers, from the best to the worst."""
        return [row for row in self.rows if row.position]

    @property
    def unranked(self) -> Sequence[Row]:
        """The other rows: they have a note in place of a rank."""
        return [row for row in self.rows if not row.position]

    @property
    def control(self) -> tuple[int, int] | None:
        """The numbers of the A/A control and of its server in the comparisons; None unless both are there."""
        entries = self.comparisons.entries
        controls = [
            (place, Entry(entry.name))
            for place, entry in enumerate(entries)
            if entry.is_control and Entry(entry.name) in entries
        ]
        return (controls[0][0], self.comparisons.index(controls[0][1])) if controls else None

    @property
    def invalid(self) -> str:
        """Why the whole run cannot be trusted, or ""."""
        if self.disturbed > TOO_MANY_DISTURBED * self.trials:
            return f"{self.disturbed} of {self.trials} trials were disturbed, more than a fifth"
        if self.control and self.comparisons.differ(*self.control):
            return f"{self.comparisons.entries[self.control[0]].name} differs significantly from its own A/A control"
        return ""


def leagues(run: Run) -> list[League]:
    """Return the league of every spec in a run."""
    names = dict.fromkeys(server.spec for server in run.info.implementations)
    return [_league(run, spec) for spec in names]


def _league(run: Run, spec: str) -> League:
    all_trials = [trial for trial in run.trials if trial.plan.spec == spec]
    trials = valid_trials(all_trials)
    rows = [_row(run, server, trials) for server in run.info.implementations if server.spec == spec]
    ranked = [row for row in rows if row.deliveries_per_s and not row.note]
    names = {row.implementation.name for row in ranked}
    ranking = [trial for trial in trials if trial.plan.workload == RANKED and trial.plan.implementation in names]
    entries = [Entry(row.implementation.name) for row in ranked]
    controls = dict.fromkeys(trial.plan.implementation for trial in ranking if trial.plan.is_control)
    entries += [Entry(name, is_control=True) for name in controls]
    values = scores(ranking, entries, RANKED, RANKED_BY)
    limited_names = {
        row.implementation.name for row in ranked if row.deliveries_per_s and row.deliveries_per_s.at_least
    }
    limited = np.array([entry.name in limited_names for entry in entries], np.bool_)
    planned = PROFILES[run.info.profile].blocks if run.info.profile in PROFILES else len(values)
    comparisons = compare(values, entries, planned=planned, seed=run.info.seed, limited=limited)
    return League(
        spec=spec,
        rows=[*_with_ranks(ranked, comparisons), *(row for row in rows if row not in ranked)],
        conditions=_conditions(trials),
        comparisons=comparisons,
        blocks=len(values),
        baseline=_summary([trial for trial in trials if trial.plan.workload == BASELINE], RANKED_BY),
        trials=len(all_trials),
        disturbed=sum(bool(trial.disturbed) for trial in all_trials),
        always_disturbed=list(
            dict.fromkeys(f"{trial.plan.implementation} ({trial.plan.workload})" for trial in trials if trial.disturbed)
        ),
    )


def _with_ranks(ranked: Sequence[Row], comparisons: Comparisons) -> list[Row]:
    """Return the ranked rows, which are the first entries of the comparisons, from the best to the worst."""
    better = comparisons.better
    order = comparisons.order(range(len(ranked)))
    ranks = dict(zip(order, rank_intervals(better, order), strict=True))
    ties = dict(zip(order, tie_letters(better[np.ix_(order, order)]), strict=True))
    in_category: dict[int, tuple[int, int]] = {}
    for category in {row.implementation.category for row in ranked}:
        members = [number for number in order if ranked[number].implementation.category == category]
        in_category |= zip(members, rank_intervals(better, members), strict=True)
    names = [row.implementation.name for row in ranked]
    dominated_by = [
        None if numbers is None else [names[number] for number in numbers]
        for numbers in dominators([_costs(row) for row in ranked], better)
    ]
    return [
        replace(
            ranked[number],
            position=position,
            rank=ranks[number],
            rank_in_category=in_category[number],
            ties=ties[number],
            dominated_by=dominated_by[number],
        )
        for position, number in enumerate(order, 1)
    ]


def _costs(row: Row) -> Sequence[float] | None:
    """Return the costs of a server beside its rank, where a lower one is better; None when one is missing."""
    if row.p99_ns is None or row.rss_idle_bytes is None or not row.code_lines:
        return None
    return row.p99_ns, row.rss_idle_bytes.median, row.code_lines


def _conditions(trials: Sequence[TrialResult]) -> list[str]:
    """Return a sentence for each workload: its parameters, and how many blocks had it."""
    sentences = []
    for workload in dict.fromkeys(trial.plan.workload for trial in trials):
        plans = [trial.plan for trial in trials if trial.plan.workload == workload]
        in_common = set.intersection(*(set(plan.parameters.items()) for plan in plans))
        parameters = ", ".join(
            f"{name.replace('_', ' ')} {value:g}"
            for name, value in plans[0].parameters.items()
            if (name, value) in in_common and name != "blocks"
        )
        blocks = len({plan.block for plan in plans})
        sentences.append(f"{workload}: {parameters}; {blocks} block{'' if blocks == 1 else 's'}")
    return sentences


def _summary(trials: Iterable[TrialResult], figure: str) -> Summary | None:
    """Return the summary of a figure over these trials; None where none has it."""
    having = [trial for trial in trials if figure in trial.figures]
    if not having:
        return None
    values = [trial.figures[figure] for trial in having]
    return Summary(
        statistics.median(values),
        min(values),
        max(values),
        at_least=any(limited_by_generator(trial) for trial in having),
    )


def _row(run: Run, implementation: Implementation, valid: Sequence[TrialResult]) -> Row:
    cases = [case for case in run.cases if case.spec == implementation.spec]
    result = combine_results(implementation, cases) if cases else None
    trials = [trial for trial in valid if trial.plan.implementation == implementation.name]
    note = ""
    key = f"{implementation.spec}/{implementation.name}"
    if reason := run.info.unavailable.get(key):
        note = f"unavailable: {reason}"
    elif result and result.verdict is not Verdict.PASS:
        failed = result.count(Verdict.FAIL)
        note = f"not measured: {failed} failed" if failed else "not measured: conformance unknown"
    elif unfinished := next((trial for trial in trials if trial.did_not_finish), None):
        note = f"did not finish ({unfinished.plan.workload}): {unfinished.did_not_finish}"
    trials = [trial for trial in trials if not trial.plan.is_control]
    by_workload = {
        name: [trial for trial in trials if trial.plan.workload == name] for name in ("paced", "idle", RANKED)
    }
    histograms = [trial.histogram for trial in by_workload["paced"] if trial.histogram]
    latencies = latency.merge(histograms) if histograms else None
    # Where several workloads have a figure, that of the last one counts: of the workload that ranks.
    workload_of = {figure: name for name, some in by_workload.items() for trial in some for figure in trial.figures}
    summaries = {figure: _summary(by_workload[name], figure) for figure, name in workload_of.items()}
    return Row(
        implementation=implementation,
        checked=result,
        code_lines=run.info.code_lines.get(key, 0),
        deliveries_per_s=_summary(by_workload[RANKED], RANKED_BY),
        p50_ns=latency.percentile_ns(latencies, 50) if latencies else None,
        p99_ns=latency.percentile_ns(latencies, 99) if latencies else None,
        rss_idle_bytes=_summary(by_workload["idle"], "rss_idle_bytes"),
        figures={figure: summary for figure, summary in summaries.items() if summary},
        other_figures=_other_figures(trials),
        note=note,
    )


def _other_figures(trials: Sequence[TrialResult]) -> dict[tuple[str, str], Summary]:
    known = plugins.workloads()
    by_workload = {
        name: [trial for trial in trials if trial.plan.workload == name]
        for name in dict.fromkeys(trial.plan.workload for trial in trials)
        if name in known
    }
    summaries = {
        (name, figure): _summary(some, figure) for name, some in by_workload.items() for figure in known[name].reported
    }
    return {key: summary for key, summary in summaries.items() if summary}
