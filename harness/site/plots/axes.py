"""Axes that only the site has: linear ones with round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.scales import MARGIN, MAX_TICKS, Axis, tick_text

STEPS = (1, 2, 5)
CLOSEST = 0.06  # of two ticks, as a share of the axis


def linear_axis(label: str, values: Sequence[float]) -> Axis:
    """Return a linear axis with round ticks and room for all these values."""
    low, high = min(values), max(values)
    room = (high - low) * MARGIN or 1.0
    step = _step(high - low or 1.0)
    first = math.ceil(low / step - 1e-9)
    ticks = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(label, False, low - room, high + room, [(tick, tick_text(tick)) for tick in ticks])


def _step(span: float) -> float:
    """Return the least round distance of at most MAX_TICKS ticks."""
    decade = 10.0 ** math.floor(math.log10(span / MAX_TICKS))
    return next(digit * decade for digit in (*STEPS, 10) if span / (digit * decade) <= MAX_TICKS)


def axis_at(label: str, values: Sequence[float]) -> Axis:
    """Return a linear axis with ticks at these values, except where they are too close to the one before."""
    low, high = min(values), max(values)
    room = (high - low) * MARGIN or 1.0
    ticks: list[tuple[float, str]] = []
    for value in sorted(set(values)):
        if not ticks or value - ticks[-1][0] >= CLOSEST * (high - low):
            ticks.append((value, tick_text(value)))
    return Axis(label, False, low - room, high + room, ticks)


def category_axis(label: str, names: Sequence[str]) -> Axis:
    """Return an axis with a place for each name: 0, 1, 2."""
    return Axis(label, False, -0.25, len(names) - 0.75, list(enumerate(names)))
