"""Latency histograms: recorded in nanoseconds, stored in their own form, merged and never averaged (HDR)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_NS = 1000
HIGHEST_NS = 60_000_000_000
DIGITS = 3
WAITING = 1 << 16  # latencies that a recorder keeps before it counts them


def histogram(latencies_ns: NDArray[np.int64]) -> HdrHistogram:
    """Return the histogram of latencies in nanoseconds (at most a minute each)."""
    made = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    values, counts = np.unique(np.clip(latencies_ns, LOWEST_NS, HIGHEST_NS), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        made.record_value(value, count)
    return made


class Recorder:
    """A histogram that takes latencies in portions, so that its memory does not grow with their number.

    Attributes:
        count: of what was recorded.
    """

    def __init__(self) -> None:
        self.histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        self.count = 0
        self._waiting: list[NDArray[np.int64]] = []

    def record(self, latencies_ns: NDArray[np.int64]) -> None:
        """Take some more."""
        self.count += latencies_ns.size
        self._waiting.append(latencies_ns)
        if sum(one.size for one in self._waiting) > WAITING:
            self.whole()

    def whole(self) -> HdrHistogram:
        """Return the histogram of all that was recorded."""
        if self._waiting:
            self.histogram.add(histogram(np.concatenate(self._waiting)))
            self._waiting = []
        return self.histogram


def encoded(one: HdrHistogram) -> str:
    """Return a histogram as text, for a line on disk."""
    text = one.encode()
    return text.decode() if isinstance(text, bytes) else str(text)


def merged(texts: Iterable[str]) -> HdrHistogram:
    """Return the sum of histograms that were stored as text."""
    whole = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for text in texts:
        whole.decode_and_add(text)
    return whole


def percentile_ns(one: HdrHistogram, percent: float) -> float:
    """Return the latency below which `percent` of all are, in nanoseconds."""
    return float(one.get_value_at_percentile(percent))
