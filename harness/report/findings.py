"""The findings of a league in sentences, which stand under its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from harness.league.comparisons import Comparisons
from harness.league.inference import ERROR, fewest_blocks
from harness.league.measures import MEASURES
from harness.league.pareto import CRITERIA
from harness.league.report_card import League
from harness.league.rows import Row
from harness.report.numbers import NOTHING

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


def difference_text(comparisons: Comparisons, entry: int, other: int) -> str:
    """Return the difference of one entry of some comparisons from another in percent, "–" where there is none.

    Args:
        comparisons: the comparisons.
        entry: the place of the entry.
        other: the place of the other one.
    """
    ends = (float(matrix[entry, other]) for matrix in (comparisons.mean, comparisons.low, comparisons.high))
    mean, low, high = ends
    return NOTHING if math.isnan(mean) else change_text(mean, low, high)


def _percent(difference: float) -> str:
    percent = math.expm1(difference) * 100
    digits = 0 if abs(percent) >= 100 else 1
    return f"{percent:+,.{digits}f}".replace("-", "−")


def findings(league: League) -> list[str]:
    """Return at most six sentences about a league: what its order and tiers mean, how fine they are, what limits it."""
    if not league.ranked:
        return []
    return [
        *([f"This run is invalid: {league.invalid}."] if league.invalid else _controls(league)),
        _order(league),
        _resolution(league),
        *_limited(league.ranked),
        *_front(league.ranked),
    ]


def score_text(weights: Mapping[str, float]) -> str:
    """Return in words what the score of a league with these weights is."""
    is_weighted = len(set(weights.values())) > 1
    parts = []
    for name, weight in weights.items():
        measure = MEASURES[name]
        parts.append((f"{weight:g} × " if is_weighted else "") + f"{measure.figure.label} ({measure.title})")
    mean = "the geometric mean of the ratios to the best in" if len(parts) > 1 else "the ratio to the best in"
    return f"{mean} {_listed(parts)}"


def _order(league: League) -> str:
    return (
        f"Ordered by the score, {score_text(league.weights)}. Tiers: A does not differ significantly from the best, B "
        "not from the best of the rest, and so on."
    )


def _resolution(league: League) -> str:
    widths, disturbed = league.comparisons.half_widths(), f"{league.disturbed * 100:.0f} % of the slices were disturbed"
    blocks = f"{league.blocks} block" + "s" * (league.blocks != 1)
    if len(league.ranked) == 1:
        return f"{blocks} of one server, which has no other to be compared with. {disturbed}."
    if not len(widths):
        return (
            f"{blocks}: too few to rank any server before another; an error of {ERROR * 100:g} % needs at least "
            f"{fewest_blocks()}. {disturbed}."
        )
    servers = league.comparisons.servers
    pairs = list(combinations(servers, 2))
    differing = sum(league.comparisons.differ(i, j) for i, j in pairs)
    return (
        f"{differing} of {len(pairs)} pairs differ significantly (family-wise error {ERROR * 100:g} %); a typical pair "
        f"does above {_detected(float(np.median(widths)))}. {disturbed}, and do not count."
    )


def _detected(half_width: float) -> str:
    percent = math.expm1(half_width) * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def _controls(league: League) -> list[str]:
    comparisons = league.comparisons
    parts = [
        f"{comparisons.entries[server].name} {difference_text(comparisons, control, server)}"
        for control, server in league.controls
    ]
    if not parts:
        return []
    return [f"A/A controls, the same server twice in each block, differ from themselves by: {', '.join(parts)}."]


def _limited(ranked: Sequence[Row]) -> list[str]:
    names = [row.implementation.name for row in ranked if any(each.is_limited for each in row.standings.values())]
    if not names:
        return []
    counts, own = ("counts", "its") if len(names) == 1 else ("count", "their")
    return [
        f"*: the load was the limit of {_shortened(names)}, which {counts} there by deliveries a second of {own} own "
        "processor time."
    ]


def _front(ranked: Sequence[Row]) -> list[str]:
    judged = [row for row in ranked if row.dominated_by is not None]
    if len(judged) < 2:
        return []
    front = [row.implementation.name for row in judged if not row.dominated_by]
    return [f"On the Pareto front (●) of {CRITERIA}: {_listed(front)}."]


def _shortened(names: Sequence[str]) -> str:
    return _listed([*names[:MAX_NAMES], *([f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else [])])


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
