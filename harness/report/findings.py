"""The findings of a league in sentences, which stand under its table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.league.comparisons import EQUIVALENCE_MARGIN
from harness.league.inference import ERROR, fewest_blocks
from harness.league.pareto import CRITERIA
from harness.league.table import League, Row
from harness.report.columns import interval

MAX_NAMES = 4  # in a sentence that could have very many


def change_text(mean: float, low: float, high: float) -> str:
    """Return a difference of logarithms as a change in percent, with its interval where it has one.

    Args:
        mean: the difference.
        low: the lower end of its interval; NaN where it has none.
        high: the upper end.
    """
    ends = "" if math.isnan(low) else f" [{_percent(low)}, {_percent(high)}]"
    return f"{_percent(mean)} %{ends}"


def _percent(difference: float) -> str:
    percent = math.expm1(difference) * 100
    digits = 0 if abs(percent) >= 100 else 1
    return f"{percent:+,.{digits}f}".replace("-", "−")


def findings(league: League) -> list[str]:
    """Return sentences about a league: whether it is valid, what its ranks mean, ties, limits and the Pareto front."""
    sentences = [f"This run is invalid: {league.invalid}."] if league.invalid else []
    if len(league.ranked) > 1 or league.control:
        sentences.append(_ranks(league))
    sentences += [
        *_control(league),
        *_equivalent(league),
        *_limited(league.ranked),
        *_categories(league.ranked),
        *_front(league.ranked),
    ]
    if league.disturbed:
        share = f"{league.disturbed / league.trials * 100:.0f} %"
        sentences.append(f"{league.disturbed} of {league.trials} trials ({share}) were disturbed and do not count.")
    if league.always_disturbed:
        names = _shortened(league.always_disturbed)
        sentences.append(f"Disturbed in every attempt, so that these trials count nevertheless: {names}.")
    return sentences


def _ranks(league: League) -> str:
    if league.blocks < fewest_blocks():
        blocks = f"{league.blocks} block" + "s" * (league.blocks != 1)
        return (
            f"{blocks}: too few to rank any server before another; an error of {ERROR * 100:g} % needs at least "
            f"{fewest_blocks()}."
        )
    half_widths = (league.comparisons.high - league.comparisons.low)[~np.isnan(league.comparisons.high)] / 2
    detected = ""
    if len(half_widths):
        detected = f" Differences above about {_detected(float(np.median(half_widths)))} are detected."
    return (
        "Ranks are intervals: servers that share a letter do not differ significantly. "
        f"Family-wise error {ERROR * 100:g} %.{detected}"
    )


def _detected(half_width: float) -> str:
    percent = math.expm1(half_width) * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def _control(league: League) -> list[str]:
    if not league.control:
        return []
    comparisons, (control, server) = league.comparisons, league.control
    mean, low, high = (
        float(matrix[control, server]) for matrix in (comparisons.mean, comparisons.low, comparisons.high)
    )
    result = "a significant difference" if comparisons.differ(control, server) else "no significant difference"
    return [
        f"A/A control: {comparisons.entries[server].name} was loaded twice in each block: "
        f"{change_text(mean, low, high)}, {result}."
    ]


def _equivalent(league: League) -> list[str]:
    comparisons = league.comparisons
    names = {place: entry.name for place, entry in enumerate(comparisons.entries) if not entry.is_control}
    pairs = [(i, j) for i in names for j in names if i < j and comparisons.are_equivalent(i, j)]
    if not pairs:
        return []
    listed = ", ".join(f"{names[i]} ≈ {names[j]}" for i, j in pairs)
    return [f"Equivalent (the whole interval lies within ±{math.expm1(EQUIVALENCE_MARGIN) * 100:.0f} %): {listed}."]


def _limited(ranked: Sequence[Row]) -> list[str]:
    names = [row.implementation.name for row in ranked if row.deliveries_per_s and row.deliveries_per_s.at_least]
    if not names:
        return []
    verb = "was measured" if len(names) == 1 else "were measured"
    return [
        f"≥: {_listed(names)} {verb} at the limit of the load generator and can do more; no server is ranked before "
        f"{'it' if len(names) == 1 else 'them'}."
    ]


def _categories(ranked: Sequence[Row]) -> list[str]:
    categories = dict.fromkeys(row.implementation.category for row in ranked)
    if len(categories) < 2:
        return []
    parts = [
        f"{category}: "
        + ", ".join(
            f"{interval(row.rank_in_category)} {row.implementation.name}"
            for row in ranked
            if row.implementation.category == category
        )
        for category in categories
    ]
    return [f"Ranks by class: {'; '.join(parts)}."]


def _front(ranked: Sequence[Row]) -> list[str]:
    judged = [row for row in ranked if row.dominated_by is not None]
    if len(judged) < 2:
        return []
    front = [row.implementation.name for row in judged if not row.dominated_by]
    dominated = [f"{row.implementation.name} by {_shortened(row.dominated_by)}" for row in judged if row.dominated_by]
    sentence = f"On the Pareto front (●) of {CRITERIA}: {_listed(front)}."
    return [sentence + (f" Dominated: {'; '.join(dominated)}." if dominated else "")]


def _shortened(names: Sequence[str]) -> str:
    return _listed([*names[:MAX_NAMES], *([f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else [])])


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
