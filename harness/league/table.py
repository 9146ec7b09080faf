"""What a run adds up to: for each server its figures over all blocks, and its place.

A figure is the median over the blocks, its spread the smallest and the largest; latencies come from the merged
histograms of all blocks. The order is that of the medians of deliveries a second.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness import plugins
from harness.conformance.pool import checked
from harness.model import Checked, Implementation, Run, TrialResult, Verdict
from harness.swarm import latency

GENERATOR_LIMIT = 0.95  # of a core: above it the load, not the server, was the limit


@dataclass(frozen=True)
class Figure:
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
        place: from 1; None when it is not ranked.
        others: workload and figure, for what workloads tell in the table of their own (see `Workload.tells`).
        note: why it is not ranked or did not finish, or "".
    """

    implementation: Implementation
    checked: Checked | None
    code_lines: int
    place: int | None = None
    deliveries_per_s: Figure | None = None
    dropped_share: Figure | None = None
    server_cpu_ns: Figure | None = None
    server_cpu_share: Figure | None = None
    generator_cpu_share: Figure | None = None
    p50_ns: float | None = None
    p99_ns: float | None = None
    rss_idle_bytes: Figure | None = None
    rss_per_client_bytes: Figure | None = None
    others: Mapping[tuple[str, str], Figure] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class League:
    """The table of one spec: ranked rows first, then those that did not finish or did not pass."""

    spec: str
    rows: Sequence[Row]
    conditions: Sequence[str]


def leagues(run: Run) -> list[League]:
    """Return the league of every spec in a run."""
    names = dict.fromkeys(one.spec for one in run.info.implementations)
    return [_league(run, spec) for spec in names]


def _league(run: Run, spec: str) -> League:
    rows = [_row(run, one) for one in run.info.implementations if one.spec == spec]
    ranked = sorted(
        (row for row in rows if row.deliveries_per_s and not row.note),
        key=lambda row: -(row.deliveries_per_s.median if row.deliveries_per_s else 0),
    )
    placed = [replace(row, place=place) for place, row in enumerate(ranked, 1)]
    return League(spec, [*placed, *(row for row in rows if row not in ranked)], _conditions(run, spec))


def _conditions(run: Run, spec: str) -> list[str]:
    """Return a sentence for each workload: what it did, and how often."""
    sentences = []
    for workload in dict.fromkeys(one.plan.workload for one in run.trials if one.plan.spec == spec):
        plans = [one.plan for one in run.trials if (one.plan.spec, one.plan.workload) == (spec, workload)]
        told = {name: value for name, value in plans[0].parameters.items() if name != "blocks"}
        said = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in told.items())
        sentences.append(f"{workload}: {said}; {_counted(len({plan.block for plan in plans}), 'block')}")
    return sentences


def _figure(trials: Sequence[TrialResult], name: str, workload: str) -> Figure | None:
    chosen = [one for one in trials if name in one.figures and one.plan.workload == workload]
    if not chosen:
        return None
    values = [one.figures[name] for one in chosen]
    limited = any(one.figures.get("generator_cpu_share", 0) >= GENERATOR_LIMIT for one in chosen)
    return Figure(statistics.median(values), min(values), max(values), at_least=limited)


def _row(run: Run, implementation: Implementation) -> Row:
    mine = [one for one in run.cases if one.spec == implementation.spec]
    found = checked(implementation, mine) if mine else None
    trials = [
        one
        for one in run.trials
        if (one.plan.spec, one.plan.implementation) == (implementation.spec, implementation.name)
    ]
    note = ""
    if found and found.verdict is not Verdict.PASS:
        failed = found.count(Verdict.FAIL)
        note = f"not measured: {failed} failed" if failed else "not measured: conformance unknown"
    elif unfinished := next((one for one in trials if one.did_not_finish), None):
        note = f"did not finish ({unfinished.plan.workload}): {unfinished.did_not_finish}"
    histograms = [one.histogram for one in trials if one.histogram and one.plan.workload == "paced"]
    times = latency.merged(histograms) if histograms else None
    return Row(
        implementation=implementation,
        checked=found,
        code_lines=run.info.code_lines.get(f"{implementation.spec}/{implementation.name}", 0),
        deliveries_per_s=_figure(trials, "deliveries_per_s", "flood"),
        dropped_share=_figure(trials, "dropped_share", "flood"),
        server_cpu_ns=_figure(trials, "server_cpu_ns_per_delivery", "flood"),
        server_cpu_share=_figure(trials, "server_cpu_share", "flood"),
        generator_cpu_share=_figure(trials, "generator_cpu_share", "flood"),
        p50_ns=latency.percentile_ns(times, 50) if times else None,
        p99_ns=latency.percentile_ns(times, 99) if times else None,
        rss_idle_bytes=_figure(trials, "rss_idle_bytes", "idle"),
        rss_per_client_bytes=_figure(trials, "rss_per_client_bytes", "idle"),
        others=_others(trials),
        note=note,
    )


def _others(trials: Sequence[TrialResult]) -> dict[tuple[str, str], Figure]:
    known = plugins.workloads()
    names = dict.fromkeys(one.plan.workload for one in trials if one.plan.workload in known)
    told = [(name, figure) for name in names for figure in known[name].tells]
    return {what: found for what in told if (found := _figure(trials, what[1], what[0]))}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
