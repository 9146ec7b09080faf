"""Latency histograms: recorded in nanoseconds, stored in their own form, merged and never averaged (HDR)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_NS = 1000
HIGHEST_NS = 60_000_000_000
DIGITS = 3
WAITING = 1 << 14  # latencies that a recorder keeps before it counts them
SHAPE = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)


class Recorder:
    """A histogram that takes latencies in portions, so that its memory does not grow with their number.

    An HdrHistogram takes them one by one: a hundred thousand a second would be a core's work. So its buckets are
    counted here, and it is made of their counts.

    Attributes:
        count: of what was recorded.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counts = np.zeros(SHAPE.bucket_count * SHAPE.sub_bucket_count, np.int64)
        self._waiting: list[NDArray[np.int64]] = []

    def record(self, latencies_ns: NDArray[np.int64]) -> None:
        """Take some more, in nanoseconds (at most a minute each)."""
        self.count += latencies_ns.size
        self._waiting.append(latencies_ns)
        if sum(one.size for one in self._waiting) > WAITING:
            self._count()

    def _count(self) -> None:
        # A value is in the bucket of its highest bit (the lowest bucket has all small ones), and there in the
        # sub-bucket that its next bits are the number of.
        values = np.clip(np.concatenate(self._waiting), LOWEST_NS, HIGHEST_NS)
        buckets = np.maximum(np.frexp(values)[1] - SHAPE.sub_bucket_half_count_magnitude - 1 - SHAPE.unit_magnitude, 0)
        places = buckets * SHAPE.sub_bucket_count + (values >> (buckets + SHAPE.unit_magnitude))
        self._counts += np.bincount(places, minlength=self._counts.size)
        self._waiting = []

    def whole(self) -> HdrHistogram:
        """Return the histogram of all that was recorded."""
        if self._waiting:
            self._count()
        made = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        for place in np.flatnonzero(self._counts).tolist():
            bucket, within = divmod(place, SHAPE.sub_bucket_count)
            made.record_value(SHAPE.get_value_from_sub_bucket(bucket, within), int(self._counts[place]))
        return made


def histogram(latencies_ns: NDArray[np.int64]) -> HdrHistogram:
    """Return the histogram of latencies in nanoseconds (at most a minute each)."""
    recorder = Recorder()
    recorder.record(latencies_ns)
    return recorder.whole()


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


def percentiles_ns(one: HdrHistogram, percents: Sequence[float]) -> list[float]:
    """Return `percentile_ns` of each of them, in one pass over the histogram."""
    found = one.get_percentile_to_value_dict(percents)
    return [float(found[percent]) for percent in percents]
