"""Decides which trials are disturbed, do not count, and are run again, by rules that are fixed before any measurement.

A trial that the load generator limited is not among them: its result is a lower bound, and would be one again.
"""

from __future__ import annotations

from collections.abc import Mapping

# As a share of all cores that server and load may use. The kernel counts in ticks: the error of one second's trial is
# some 3 %.
OTHERS_LIMIT = 0.10
# The pure-Python receive loop takes ten microseconds a read, and may have a thousand clients to serve before it sends.
SEND_LAG_LIMIT_NS = 10_000_000
SENT_AT_LEAST = 0.98  # as a share of the schedule


def why_disturbed(figures: Mapping[str, float], *, cores_apart: bool) -> str:
    """Return what disturbed a trial, in words, or "".

    Args:
        figures: of the trial.
        cores_apart: whether server and load had cores of their own; where they share a core, each delays the other.
    """
    others = figures.get("other_cpu_share", 0.0)
    if others > OTHERS_LIMIT:
        return f"other processes took {others:.0%} of the processor cores, over {OTHERS_LIMIT:.0%}"
    if figures.get("dropped_share", 0.0) < 0:
        return "the counts do not add up: more was received than was sent"
    if figures.get("generator_limited") or not cores_apart:
        return ""
    lag_ns = figures.get("send_lag_p99_ns", 0.0)
    if lag_ns > SEND_LAG_LIMIT_NS:
        return f"one message in a hundred was sent over {lag_ns / 1e6:.0f} ms late by a load that had time to spare"
    sent = figures.get("sent_share", 1.0)
    if sent < SENT_AT_LEAST:
        return f"the counts do not add up: {sent:.0%} of what was due was sent by a load that had time to spare"
    return ""
