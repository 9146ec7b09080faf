"""Latency histograms (HDR): recorded in nanoseconds, stored in their own encoding, merged and never averaged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_NS = 1000
HIGHEST_NS = 60_000_000_000
DIGITS = 3
BUFFERED = 1 << 14  # latencies that a recorder keeps before it counts them
LAYOUT = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)  # an empty histogram, for the sizes of its buckets


class Recorder:
    """A histogram that takes latencies in arrays, with memory that does not grow with their number.

    An HdrHistogram takes them one by one: a hundred thousand a second would keep a core busy. So this class counts in
    numpy how many fall into each bucket, and makes the histogram from these counts.

    Attributes:
        count: the number of latencies recorded.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counts = np.zeros(LAYOUT.bucket_count * LAYOUT.sub_bucket_count, np.int64)
        self._buffered: list[NDArray[np.int64]] = []

    def record(self, latencies_ns: NDArray[np.int64]) -> None:
        """Record latencies.

        Args:
            latencies_ns: in nanoseconds, at most a minute each; of shape (latencies,).
        """
        self.count += latencies_ns.size
        self._buffered.append(latencies_ns)
        if sum(portion.size for portion in self._buffered) > BUFFERED:
            self._count()

    def _count(self) -> None:
        # The highest bit of a value decides its bucket (the lowest bucket takes all small values); the bits below are
        # the number of the sub-bucket.
        values = np.clip(np.concatenate(self._buffered), LOWEST_NS, HIGHEST_NS)
        buckets = np.maximum(
            np.frexp(values)[1] - LAYOUT.sub_bucket_half_count_magnitude - 1 - LAYOUT.unit_magnitude, 0
        )
        places = buckets * LAYOUT.sub_bucket_count + (values >> (buckets + LAYOUT.unit_magnitude))
        self._counts += np.bincount(places, minlength=self._counts.size)
        self._buffered = []

    def to_histogram(self) -> HdrHistogram:
        """Return the histogram of all latencies recorded."""
        if self._buffered:
            self._count()
        histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        for place in np.flatnonzero(self._counts).tolist():
            bucket, within = divmod(place, LAYOUT.sub_bucket_count)
            histogram.record_value(LAYOUT.get_value_from_sub_bucket(bucket, within), int(self._counts[place]))
        return histogram


def histogram_of(latencies_ns: NDArray[np.int64]) -> HdrHistogram:
    """Return the histogram of latencies in nanoseconds (at most a minute each), an array of shape (latencies,)."""
    recorder = Recorder()
    recorder.record(latencies_ns)
    return recorder.to_histogram()


def encode(histogram: HdrHistogram) -> str:
    """Return a histogram as text, for a line on disk."""
    text = histogram.encode()
    return text.decode() if isinstance(text, bytes) else str(text)


def merge(texts: Iterable[str]) -> HdrHistogram:
    """Return the sum of histograms that were stored as text."""
    total = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for text in texts:
        total.decode_and_add(text)
    return total


def percentile_ns(histogram: HdrHistogram, percent: float) -> float:
    """Return the latency below which `percent` of all are, in nanoseconds.

    It is `HdrHistogram.get_value_at_percentile`, which would look at twenty thousand counts one by one.
    """
    reached = np.cumsum(np.ctypeslib.as_array(histogram.counts))
    index = int(np.searchsorted(reached, histogram.get_target_count_at_percentile(percent)))
    if index == len(reached):
        return 0.0  # it is empty
    return float(histogram.get_highest_equivalent_value(histogram.get_value_from_index(index)))


def percentiles_ns(histogram: HdrHistogram, percents: Sequence[float]) -> list[float]:
    """Return `percentile_ns` for each of `percents`, in one pass over the histogram."""
    values = histogram.get_percentile_to_value_dict(percents)
    return [float(values[percent]) for percent in percents]
