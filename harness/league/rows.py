"""The rows of the league: for each server its figures, how it does in each measure, and why it is not ranked.

A figure is summarised by its median over the blocks, with the lowest and the highest value; latency percentiles come
from the merged histograms of all blocks.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness import plugins
from harness.blocks import BlockResult, Entry
from harness.conformance.pool import combine_results
from harness.league.slice_scores import merged_latencies, missing_messages, usable
from harness.load import latency
from harness.model import CheckResult, Implementation, Run, TrialResult, Verdict

DID_NOT_FINISH = "did not finish"  # the beginning of the note of a server that failed under load


@dataclass(frozen=True)
class Summary:
    """A figure over the blocks of a run.

    Attributes:
        median: of the values of the blocks.
        low: the lowest value.
        high: the highest value.
        at_least: whether the load generator was the limit in some trial, so that the server can do more.
    """

    median: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Score:
    """A server's score in the order of the league, as a share of the best in each measure, in a weighted mean.

    Attributes:
        value: the geometric mean of its ratios to the best.
        low: the lower end of its interval; NaN for the first server, and where there are too few blocks.
        high: the upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """A server in one measure.

    Attributes:
        summary: its figure; None where no block has it.
        rank: its rank interval.
        tier: "A" where it does not differ significantly from the best, "B" not from the best of the rest, and so on.
        is_limited: whether the load generator was the limit, so that it counts per second of its processor time.
    """

    summary: Summary | None
    rank: tuple[int, int]
    tier: str
    is_limited: bool


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
        score: its score in the order of the league.
        standings: by the name of a measure, how it does there.
        dominated_by: the servers that dominate it (see `harness.league.pareto`); None where that is unknown.
        figures: all figures of its slices, by kind and name.
        other_figures: by workload and figure, those that other workloads report (see `Workload.reported`).
        note: why it is not ranked or did not finish, or "".
    """

    implementation: Implementation
    checked: CheckResult | None
    code_lines: int
    position: int | None = None
    rank: tuple[int, int] = (0, 0)
    rank_in_category: tuple[int, int] = (0, 0)
    score: Score | None = None
    standings: Mapping[str, Standing] = field(default_factory=dict)
    dominated_by: Sequence[str] | None = None
    figures: Mapping[tuple[str, str], Summary] = field(default_factory=dict)
    other_figures: Mapping[tuple[str, str], Summary] = field(default_factory=dict)
    note: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether it died under load, or broke a rule that every load verifies."""
        return self.note.startswith(DID_NOT_FINISH)


def make_row(
    run: Run, implementation: Implementation, blocks: Sequence[BlockResult], valid: Sequence[TrialResult]
) -> Row:
    """Return the row of a server, without its ranks.

    Args:
        run: the run.
        implementation: the server.
        blocks: those of its spec.
        valid: the valid trials of its spec.
    """
    cases = [case for case in run.cases if case.spec == implementation.spec]
    result = combine_results(implementation, cases) if cases else None
    trials = [trial for trial in valid if trial.plan.implementation == implementation.name]
    key = implementation.key
    return Row(
        implementation=implementation,
        checked=result,
        code_lines=run.info.code_lines.get(key, 0),
        figures=figures_of(blocks, Entry(implementation.name)),
        other_figures=_other_figures(trials),
        note=_why_not_run(run, key) or _note(result, blocks, implementation.name, trials),
    )


def _why_not_run(run: Run, key: str) -> str:
    """Return why a server could not be started, or ""; of a build the first line, without the compiler's words."""
    if unavailable := run.info.unavailable.get(key, ""):
        return f"unavailable: {unavailable}"
    if unbuilt := run.info.unbuilt.get(key, ""):
        return f"not built: {unbuilt.splitlines()[0]}"
    return ""


def _note(result: CheckResult | None, blocks: Sequence[BlockResult], name: str, trials: Sequence[TrialResult]) -> str:
    """Return why a server that runs here is not ranked, or "".

    Args:
        result: its conformance.
        blocks: those of its spec.
        name: of the server.
        trials: its trials of other workloads.
    """
    if result and result.verdict is not Verdict.PASS:
        failed = result.count(Verdict.FAIL)
        return f"not measured: {failed} failed" if failed else "not measured: conformance unknown"
    if failure := failure_of(blocks, name):
        return f"{DID_NOT_FINISH}: {failure}"
    if disturbance := why_never_counted(blocks, name):
        return f"not measured: {disturbance}"
    unfinished = next((trial for trial in trials if trial.did_not_finish), None)
    return f"{DID_NOT_FINISH} ({unfinished.plan.workload}): {unfinished.did_not_finish}" if unfinished else ""


def failure_of(blocks: Iterable[BlockResult], name: str) -> str:
    """Return why a server, or its control, is out of a block; "" where it is in none."""
    reasons = (
        reason for block in blocks for number, reason in block.failed.items() if block.entries[int(number)].name == name
    )
    return next(reasons, "")


def why_never_counted(blocks: Iterable[BlockResult], name: str) -> str:
    """Return what the machine did, if it disturbed a server in each of its blocks; otherwise ""."""
    entry, reasons = Entry(name), [""]
    for block in blocks:
        if entry in block.entries:
            reasons.append(block.disturbed.get(str(block.entries.index(entry)), ""))
    return reasons[-1] if all(reasons[1:]) else ""


def figures_of(blocks: Sequence[BlockResult], entry: Entry) -> dict[tuple[str, str], Summary]:
    """Return the figures of an entry by kind of slice and name: of each block the median of its undisturbed slices."""
    by_block = [usable(block.slices_of(entry)) for block in blocks]
    keys = dict.fromkeys((result.kind, name) for some in by_block for result in some for name in result.figures)
    figures = {}
    for kind, name in keys:
        slices = [[result.figures[name] for result in some if result.kind == kind] for some in by_block]
        figures[kind, name] = _summary([statistics.median(values) for values in slices if values])
    timed = [result for some in by_block for result in some if result.histogram]
    if timed:
        merged = merged_latencies(timed)
        for percent in (50, 99):
            value = latency.percentile_ns(merged, percent)
            figures[timed[0].kind, f"latency_p{percent}_ns"] = Summary(value, value, value)
        sent = sum(result.figures.get("sent", 0.0) for result in timed)
        share = missing_messages(timed) / max(1.0, sent)
        figures[timed[0].kind, "dropped_share"] = Summary(share, share, share)
    return figures


def _summary(values: Sequence[float]) -> Summary:
    return Summary(statistics.median(values), min(values), max(values))


def _other_figures(trials: Sequence[TrialResult]) -> dict[tuple[str, str], Summary]:
    known = plugins.workloads()
    by_workload: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        if trial.plan.workload in known:
            for figure in known[trial.plan.workload].reported:
                if figure in trial.figures:
                    by_workload.setdefault((trial.plan.workload, figure), []).append(trial.figures[figure])
    return {key: _summary(values) for key, values in by_workload.items()}
