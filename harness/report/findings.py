"""What a league claims and what it does not, in sentences that stand under its table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.league.comparisons import EQUIVALENCE_MARGIN
from harness.league.inference import ERROR, fewest_blocks
from harness.league.pareto import CRITERIA
from harness.league.table import League, Row
from harness.report.columns import interval

CANNOT_TELL = "cannot be told apart"
SOME = 4  # names in a sentence, where there may be very many


def change_text(mean: float, low: float, high: float) -> str:
    """Return a difference of logarithms as a change in percent, with its interval where it has one."""
    interval = "" if math.isnan(low) else f" [{_percent(low)}, {_percent(high)}]"
    return f"{_percent(mean)} %{interval}"


def _percent(difference: float) -> str:
    percent = math.expm1(difference) * 100
    digits = 0 if abs(percent) >= 100 else 1
    return f"{percent:+,.{digits}f}".replace("-", "−")


def findings(league: League) -> list[str]:
    """Return the sentences of a league: whether it is valid, what its ranks say, who is tied, limited or beaten."""
    ranked = [row for row in league.rows if row.position]
    found = [f"This run is invalid: {league.invalid}."] if league.invalid else []
    if len(ranked) > 1 or league.control:
        found.append(_ranks(league))
    found += [*_ghost(league), *_alike(league, ranked), *_limited(ranked), *_classes(ranked), *_front(ranked)]
    if league.disturbed:
        share = f"{league.disturbed / league.trials * 100:.0f} %"
        found.append(f"{league.disturbed} of {league.trials} trials ({share}) were disturbed, and do not count.")
    if league.always_disturbed:
        names = _some(league.always_disturbed)
        found.append(f"Disturbed each time, so that these trials had to count: {names}.")
    return found


def _ranks(league: League) -> str:
    if league.blocks < fewest_blocks():
        blocks = f"{league.blocks} block" + "s" * (league.blocks != 1)
        return f"Ranks: {blocks} can tell nobody apart: for an error of {ERROR * 100:g} % it takes {fewest_blocks()}."
    half = (league.comparisons.high - league.comparisons.low)[~np.isnan(league.comparisons.high)] / 2
    typical = (
        f", and a difference of typically {math.expm1(float(np.median(half))) * 100:.1f} % is one" if len(half) else ""
    )
    return (
        "Ranks are intervals: whoever shares a letter cannot be told apart. "
        f"With a probability of {100 - ERROR * 100:g} % or more no difference that is told here is false{typical}."
    )


def _ghost(league: League) -> list[str]:
    if not league.control:
        return []
    stand, (ghost, twin) = league.comparisons, league.control
    mean, low, high = (float(one[ghost, twin]) for one in (stand.mean, stand.low, stand.high))
    told = "told apart" if (stand.better | stand.better.T)[ghost, twin] else CANNOT_TELL
    return [
        f"{stand.entries[twin].name} was loaded twice in each block; its ghost: {change_text(mean, low, high)}: {told}."
    ]


def _alike(league: League, ranked: Sequence[Row]) -> list[str]:
    places = {place: one.name for place, one in enumerate(league.comparisons.entries) if not one.is_control}
    pairs = [(i, j) for i in places for j in places if i < j and league.comparisons.are_equivalent(i, j)]
    if not pairs:
        return []
    said = ", ".join(f"{places[i]} ≈ {places[j]}" for i, j in pairs)
    return [f"As good as equal (the whole interval is within ±{math.expm1(EQUIVALENCE_MARGIN) * 100:.0f} %): {said}."]


def _limited(ranked: Sequence[Row]) -> list[str]:
    names = [row.implementation.name for row in ranked if row.deliveries_per_s and row.deliveries_per_s.at_least]
    if not names:
        return []
    return [f"≥: the load generator was the limit of {_listed(names)}: it can do more, and nobody is ranked before it."]


def _classes(ranked: Sequence[Row]) -> list[str]:
    classes = dict.fromkeys(row.implementation.category for row in ranked)
    if len(classes) < 2:
        return []
    said = [
        f"{category}: "
        + ", ".join(
            f"{interval(row.rank_in_class)} {row.implementation.name}"
            for row in ranked
            if row.implementation.category == category
        )
        for category in classes
    ]
    return [f"By class: {'; '.join(said)}."]


def _front(ranked: Sequence[Row]) -> list[str]:
    judged = [row for row in ranked if row.dominated_by is not None]
    if len(judged) < 2:
        return []
    front = [row.implementation.name for row in judged if not row.dominated_by]
    beaten = [f"{row.implementation.name} by {_some(row.dominated_by)}" for row in judged if row.dominated_by]
    said = f"On the front (●), beaten by nobody in {CRITERIA} at once: {_listed(front)}."
    return [said + (f" Beaten: {'; '.join(beaten)}." if beaten else "")]


def _some(names: Sequence[str]) -> str:
    return _listed([*names[:SOME], *([f"{len(names) - SOME} more"] if len(names) > SOME else [])])


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nobody"
