"""Axes and labels, whoever draws them: where the ticks are, what they say, and labels that do not cover each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_TICKS = 8
MARGIN = 0.03  # of an axis, beyond what is drawn at its ends
# Leading digits of the ticks of a logarithmic axis, from the closest ticks to the widest.
DIGITS = ([n / 10 for n in range(10, 100)], list(range(1, 10)), [1, 2, 5], [1])
TOPS = (1, 2, 5, 10, 20, 50, 100)
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    """An axis: the words beside it, whether it is logarithmic, its ends, and its ticks with what stands at them."""

    label: str
    is_log: bool
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        """Return where a value is: 0 at the low end, 1 at the high end."""
        low, high, at = (math.log(one) if self.is_log else one for one in (self.low, self.high, value))
        return (at - low) / (high - low)

    def placed(self) -> tuple[list[float], list[str]]:
        """Return where the ticks are, and what stands there."""
        return [self.share(value) for value, _ in self.ticks], [words for _, words in self.ticks]


def log_axis(label: str, values: Sequence[float], ticks: Sequence[tuple[float, str]] = ()) -> Axis:
    """Return a logarithmic axis on which all these values (above 0) have a place.

    Args:
        ticks: where ticks shall be; without any, they are chosen.
    """
    least, most = min(values), max(values)
    beyond = max((most / least) ** MARGIN, 1 + MARGIN)
    low, high = least / beyond, most * beyond
    return Axis(label, True, low, high, ticks or [(one, in_short(one)) for one in _log_ticks(low, high)])


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for digits in DIGITS:
        ticks = [one for decade in decades for digit in digits if low <= (one := digit * 10.0**decade) <= high]
        if len(ticks) <= MOST_TICKS:
            break
    return ticks


def percent_axis(label: str, values: Sequence[float]) -> Axis:
    """Return an axis from 0 to a round number of percent, 100 at most."""
    top = next((one for one in TOPS if one >= max(values)), TOPS[-1])
    ticks = [(top * quarter / 4, f"{top * quarter / 4:g}") for quarter in range(5)]
    return Axis(label, False, -top * MARGIN, top * (1 + MARGIN), ticks)


def in_short(value: float) -> str:
    """Return a number as a tick has it: 0.2, 5000, "20 k", "1.5 M"."""
    for size, prefix in PREFIXES:
        if value >= max(size, 10_000):
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g}"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places for labels: `gap` apart or more, and as near as may be to the wanted ones, which ascend.

    All are between `low` and `high`, as far as there is room for them. But for the gaps this is isotonic regression by
    pooling adjacent violators (Ayer and others, 1955): labels that are in each other's way share the place between.
    """
    pools: list[tuple[float, int]] = []  # mean and number
    for number, one in enumerate(wanted):
        mean, count = one - number * gap, 1
        while pools and pools[-1][0] >= mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    last = max(low, high - (len(wanted) - 1) * gap)
    places = [min(max(mean, low), last) for mean, count in pools for _ in range(count)]
    return [place + number * gap for number, place in enumerate(places)]
