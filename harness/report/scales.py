"""Axes and labels for all formats: positions and texts of ticks, and labels that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_TICKS = 8
MARGIN = 0.03  # room at both ends of an axis, as a share of it
# Leading digits of the ticks of a logarithmic axis, from the densest ticks to the sparsest.
DIGITS = ([n / 10 for n in range(10, 100)], list(range(1, 10)), [1, 2, 5], [1])
TOPS = (1, 2, 5, 10, 20, 50, 100)
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: the text beside it.
        is_log: whether it is logarithmic.
        low: the value at its low end.
        high: the value at its high end.
        ticks: values with the texts at them.
    """

    label: str
    is_log: bool
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end."""
        low, high, at = (math.log(end) if self.is_log else end for end in (self.low, self.high, value))
        return (at - low) / (high - low)

    def tick_positions(self) -> tuple[list[float], list[str]]:
        """Return the positions of the ticks, and their texts."""
        return [self.share(value) for value, _ in self.ticks], [text for _, text in self.ticks]


def log_axis(label: str, values: Sequence[float], ticks: Sequence[tuple[float, str]] = ()) -> Axis:
    """Return a logarithmic axis with room for all these values.

    Args:
        label: the text beside it.
        values: what will be drawn, all above 0.
        ticks: values with their texts; without any they are chosen.
    """
    least, most = min(values), max(values)
    margin = max((most / least) ** MARGIN, 1 + MARGIN)
    low, high = least / margin, most * margin
    return Axis(label, True, low, high, ticks or [(value, tick_text(value)) for value in _log_ticks(low, high)])


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for digits in DIGITS:
        ticks = [tick for decade in decades for digit in digits if low <= (tick := digit * 10.0**decade) <= high]
        if len(ticks) <= MAX_TICKS:
            break
    return ticks


def percent_axis(label: str, values: Sequence[float]) -> Axis:
    """Return an axis from 0 to a round number of percent, at most 100."""
    top = next((percent for percent in TOPS if percent >= max(values)), TOPS[-1])
    ticks = [(top * quarter / 4, f"{top * quarter / 4:g}") for quarter in range(5)]
    return Axis(label, False, -top * MARGIN, top * (1 + MARGIN), ticks)


def tick_text(value: float) -> str:
    """Return the text of a tick: 0.2, 5000, "20 k", "1.5 M"."""
    for size, prefix in PREFIXES:
        if value >= max(size, 10_000):
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g}"


def spread_labels(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions for labels, as close to the wanted ones as possible without overlap.

    Except for the gaps this is isotonic regression by pooling adjacent violators (Ayer and others, 1955): labels that
    would overlap are centred on the mean of their wanted positions.

    Args:
        wanted: the wanted positions, ascending.
        gap: the least distance of two labels.
        low: the lowest position; labels are beyond it only where there is no room for all of them.
        high: the highest position.
    """
    pools: list[tuple[float, int]] = []  # mean and number
    for number, position in enumerate(wanted):
        mean, count = position - number * gap, 1
        while pools and pools[-1][0] >= mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    last = max(low, high - (len(wanted) - 1) * gap)
    positions = [min(max(mean, low), last) for mean, count in pools for _ in range(count)]
    return [position + number * gap for number, position in enumerate(positions)]
