"""Puts the results of a run together: a league for each spec, with a report card of six measures for each server.

Ranks and tiers of each measure come from the scores of the same blocks (see `harness.league.measures`), and so does
the order of the league, which is by a mixture of measures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from harness.blocks import BlockResult, Entry, Role
from harness.league import conditions
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.comparisons import Comparisons, compare, tiers
from harness.league.inference import Floats, fewest_blocks, rank_intervals
from harness.league.kinds_of_machines import where_measured
from harness.league.measures import BY_SCORE, MEASURES, THROUGHPUT, mixture, weights_of
from harness.league.pareto import dominators
from harness.league.rows import Row, Score, Standing, Summary, failure_of, figures_of, make_row
from harness.league.slice_scores import block_weights, disturbed_share
from harness.league.valid_trials import valid_trials
from harness.model import Implementation, Run


@dataclass(frozen=True)
class League:
    """The table of one spec.

    Attributes:
        spec: the name of the spec.
        rows: the ranked servers first, then those that did not finish or did not pass.
        weights: the weight of each measure in the order.
        comparisons: all pairs of ranked servers and controls, in that order.
        by_measure: the same in each measure.
        references: the products that stand beside the servers, as far as they were measured.
        blocks: how many blocks there are.
        baseline: deliveries a second of the baseline relay, few senders; None when it was not measured.
        disturbed: the share of slices that other processes disturbed.
        conditions: for each kind of slice, and each other workload, a sentence about its parameters.
        machines: sentences about other workloads whose load came from other machines than the server's.
    """

    spec: str
    rows: Sequence[Row]
    weights: Mapping[str, float]
    comparisons: Comparisons
    by_measure: Mapping[str, Comparisons]
    references: Sequence[Row]
    blocks: int
    baseline: Summary | None
    disturbed: float
    conditions: Sequence[str]
    machines: Sequence[str] = ()

    @property
    def ranked(self) -> Sequence[Row]:
        """The rows of the ranked servers, from the best to the worst."""
        return [row for row in self.rows if row.position]

    @property
    def unranked(self) -> Sequence[Row]:
        """The other rows: they have a note in place of a rank."""
        return [row for row in self.rows if not row.position]

    @property
    def can_distinguish(self) -> bool:
        """Whether there are enough blocks for any significant difference, so that ranks and tiers mean something."""
        return self.blocks >= fewest_blocks() or len(self.ranked) == 1

    @property
    def controls(self) -> Sequence[tuple[int, int]]:
        """The places in the comparisons of each A/A control and of its server."""
        entries = self.comparisons.entries
        return [
            (place, entries.index(Entry(entry.name)))
            for place, entry in enumerate(entries)
            if entry.role is Role.CONTROL and Entry(entry.name) in entries
        ]

    @property
    def invalid(self) -> str:
        """Why the whole run cannot be trusted, or ""."""
        entries = self.comparisons.entries
        wrong = [entries[server].name for control, server in self.controls if self.comparisons.differ(control, server)]
        return f"{wrong[0]} differs significantly from its own A/A control" if wrong else ""


def leagues(run: Run, by: str = BY_SCORE, weights: Mapping[str, float] | None = None) -> list[League]:
    """Return the league of every spec in a run.

    Args:
        run: the run, complete or not.
        by: the name of the measure that orders it, or BY_SCORE.
        weights: the weight of each measure in the order; None for those that `by` implies.

    Raises:
        UsageError: there is no such measure.
    """
    chosen = weights_of(by, weights or {})
    names = dict.fromkeys(server.spec for server in run.info.implementations)
    return [_league(run, spec, chosen) for spec in names]


def _league(run: Run, spec: str, weights: Mapping[str, float]) -> League:
    blocks = [block for block in run.blocks if block.spec == spec]
    trials = valid_trials([trial for trial in run.trials if trial.plan.spec == spec])
    rows = [make_row(run, server, blocks, trials) for server in run.info.implementations if server.spec == spec]
    ranked = [row for row in rows if not row.note and row.figures]
    entries = [Entry(row.implementation.name) for row in ranked]
    known = dict.fromkeys(entry for block in blocks for entry in block.entries)
    entries += [entry for entry in known if entry.role is Role.CONTROL and Entry(entry.name) in entries]
    limited = {name: measure.limited_entries(blocks, entries) for name, measure in MEASURES.items()}
    values = {name: measure.scores(blocks, entries, limited[name]) for name, measure in MEASURES.items()}
    compared = partial(compare, entries=entries, seed=run.info.seed, weights=block_weights(blocks))
    by_measure = {name: compared(values[name]) for name in MEASURES}
    comparisons = compared(mixture(values, weights))
    ranked = [
        replace(row, standings=standings)
        for row, standings in zip(ranked, _standings(ranked, by_measure, limited), strict=True)
    ]
    return League(
        spec=spec,
        rows=[
            *_with_ranks(ranked, comparisons, by_measure, weights),
            *(row for row in rows if row.note or not row.figures),
        ],
        weights=weights,
        comparisons=comparisons,
        by_measure=by_measure,
        references=[_reference(each, blocks) for each in run.info.references if each.spec == spec],
        blocks=len(blocks),
        baseline=figures_of(blocks, Entry(BASELINE, Role.BASELINE)).get(("few", THROUGHPUT)),
        disturbed=disturbed_share(blocks),
        conditions=[*conditions.of_slices(blocks), *where_measured(blocks), *conditions.of_trials(trials)],
        machines=conditions.of_machines(trials),
    )


def _reference(product: Implementation, blocks: Sequence[BlockResult]) -> Row:
    """Return the row of a product that is not ranked."""
    figures = figures_of(blocks, Entry(product.name, Role.REFERENCE))
    standings = {
        name: Standing(figures.get((measure.kind, measure.figure.name)), (0, 0), "", False)
        for name, measure in MEASURES.items()
    }
    return Row(product, None, 0, figures=figures, standings=standings, note=failure_of(blocks, product.name))


def _standings(
    ranked: Sequence[Row], by_measure: Mapping[str, Comparisons], limited: Mapping[str, frozenset[Entry]]
) -> list[dict[str, Standing]]:
    """Return how each ranked server does in each measure."""
    numbers = range(len(ranked))
    found: list[dict[str, Standing]] = [{} for _ in ranked]
    for name, comparisons in by_measure.items():
        measure, tier_of = MEASURES[name], tiers(comparisons, numbers)
        for number, rank in zip(numbers, rank_intervals(comparisons.better, numbers), strict=True):
            summary = ranked[number].figures.get((measure.kind, measure.figure.name))
            is_limited = comparisons.entries[number] in limited[name]
            found[number][name] = Standing(summary, rank, tier_of[number] if summary else "", is_limited)
    return found


def _with_ranks(
    ranked: Sequence[Row],
    comparisons: Comparisons,
    by_measure: Mapping[str, Comparisons],
    weights: Mapping[str, float],
) -> list[Row]:
    """Return the ranked rows, which are the first entries of the comparisons, from the best to the worst.

    Args:
        ranked: the rows.
        comparisons: of the mixture that orders the league.
        by_measure: those of each measure.
        weights: of the mixture.
    """
    better = comparisons.better
    order = comparisons.order(range(len(ranked)))
    ranks = dict(zip(order, rank_intervals(better, order), strict=True))
    in_category: dict[int, tuple[int, int]] = {}
    for category in {row.implementation.category for row in ranked}:
        members = [number for number in order if ranked[number].implementation.category == category]
        in_category |= zip(members, rank_intervals(better, members), strict=True)
    names = [row.implementation.name for row in ranked]
    dominated_by = [
        None if numbers is None else [names[number] for number in numbers]
        for numbers in dominators([_costs(row) for row in ranked], better)
    ]
    ratios = _mean_ratios(len(ranked), by_measure, weights)
    first = order[0] if order else 0
    return [
        replace(
            ranked[number],
            position=position,
            rank=ranks[number],
            rank_in_category=in_category[number],
            score=Score(
                value=math.exp(ratios[number]),
                low=math.exp(ratios[first] + comparisons.low[number, first]),
                high=math.exp(ratios[first] + comparisons.high[number, first]),
            ),
            dominated_by=dominated_by[number],
        )
        for position, number in enumerate(order, 1)
    ]


def _mean_ratios(count: int, by_measure: Mapping[str, Comparisons], weights: Mapping[str, float]) -> Floats:
    """Return the logarithm of the mean ratio of each server to the best in each measure."""
    total = math.fsum(weights.values())
    ratios: Floats = np.zeros(count)
    for name, weight in weights.items():
        levels = by_measure[name].levels()[:count]
        ratios += weight / total * (levels - levels.max(initial=-math.inf))
    return ratios


def _costs(row: Row) -> Sequence[float] | None:
    """Return the costs of a server beside its rank, where a lower one is better; None when one is missing."""
    summaries = [row.standings[name].summary for name in ("p99", "memory")]
    if not row.code_lines or not all(summaries):
        return None
    return (*(summary.median for summary in summaries if summary), row.code_lines)
