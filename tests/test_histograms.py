"""Histograms of latencies: counted in bulk, stored as text, merged."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from harness.load import latency


@pytest.mark.parametrize("latencies_ns", [[1000], [1_000, 5_000_000, 60_000_000_000], list(range(10**5, 10**7, 991))])
@pytest.mark.parametrize("percent", [0.001, 50, 99, 99.9, 100])
def test_a_percentile_is_that_of_the_library(latencies_ns: list[int], percent: float) -> None:
    histogram = latency.histogram_of(np.array(latencies_ns))
    assert latency.percentile_ns(histogram, percent) == histogram.get_value_at_percentile(percent)
    decoded = latency.merge([latency.encode(histogram)])
    assert latency.percentile_ns(decoded, percent) == histogram.get_value_at_percentile(percent)


def test_an_empty_histogram_has_no_latency() -> None:
    empty = latency.histogram_of(np.array([], np.int64))
    assert latency.percentile_ns(empty, 99) == empty.get_value_at_percentile(99) == 0


def test_histograms_survive_the_disk_and_add_up() -> None:
    low, high = np.full(90, 1_000_000), np.full(10, 50_000_000)
    texts = [latency.encode(latency.histogram_of(values)) for values in (low, high)]
    merged = latency.merge(texts)
    assert merged.get_total_count() == 100
    assert latency.percentile_ns(merged, 50) == pytest.approx(1_000_000, rel=0.001)
    assert latency.percentile_ns(merged, 99) == pytest.approx(50_000_000, rel=0.001)


def test_a_histogram_is_that_of_its_values_one_by_one() -> None:
    drawn = np.exp(np.random.default_rng(1).uniform(0, np.log(1e11), 20_000)).astype(np.int64)
    edges = np.array([2**power + more for power in range(9, 36) for more in (-1, 0, 1)])
    values = np.concatenate([drawn, edges])
    recorded = HdrHistogram(latency.LOWEST_NS, latency.HIGHEST_NS, latency.DIGITS)
    for value in values.tolist():
        recorded.record_value(min(max(value, latency.LOWEST_NS), latency.HIGHEST_NS))
    counted = latency.histogram_of(values)
    assert counted.get_total_count() == values.size
    assert latency.encode(counted) == latency.encode(recorded)


def test_a_recorder_has_all_values_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BUFFERED", 50)
    recorder = latency.Recorder()
    for _ in range(9):
        recorder.record(np.arange(1_000_000, 11_000_000, 1_000_000))
    assert recorder.count == recorder.to_histogram().get_total_count() == 90
    assert latency.percentile_ns(recorder.to_histogram(), 50) == pytest.approx(5_000_000, rel=0.001)
