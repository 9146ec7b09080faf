"""A live comparison of two servers in a sentence, and as data that can be kept and read again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from harness import plugins
from harness.errors import UsageError
from harness.figures import Better
from harness.league.compare_runs import Change
from harness.league.live import LiveComparison
from harness.records import from_json
from harness.report import changes
from harness.report.findings import change_text

Quote = Callable[[str], str]


class StoredChange(msgspec.Struct, frozen=True):
    """A change as `harness compare --live --json` writes it, as far as it is read; null stands for no interval."""

    spec: str
    server: str
    workload: str
    figure: str
    first: float
    second: float
    blocks: int
    ratio: float
    significant: bool
    ratio_low: float | None = None
    ratio_high: float | None = None


class StoredComparison(msgspec.Struct, frozen=True):
    """A live comparison as `harness compare --live --json` writes it."""

    names: tuple[str, str]
    note: str
    changes: tuple[StoredChange, ...]


def as_data(comparison: LiveComparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        "names": comparison.names,
        "note": comparison.note,
        "changes": [changes.as_data(change) for change in comparison.changes],
    }


def read(path: Path) -> LiveComparison:
    """Return the comparison in a file that `harness compare --live --json` has written.

    Raises:
        UsageError: the file cannot be read, or has no live comparison.
    """
    try:
        stored = from_json(path.read_bytes(), StoredComparison)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is no output of `harness compare --live --json`: {error}") from None
    return LiveComparison(stored.names, [_change(path, change) for change in stored.changes], stored.note)


def _change(path: Path, stored: StoredChange) -> Change:
    known = plugins.figures()
    if stored.figure not in known:
        raise UsageError(f'{path} has the figure "{stored.figure}", which this harness does not know')
    mean, low, high = (
        math.nan if ratio is None or ratio <= 0 else math.log(ratio)
        for ratio in (stored.ratio, stored.ratio_low, stored.ratio_high)
    )
    return Change(
        spec=stored.spec,
        server=stored.server,
        workload=stored.workload,
        figure=known[stored.figure],
        first=stored.first,
        second=stored.second,
        blocks=stored.blocks,
        mean=mean,
        low=low,
        high=high,
        is_significant=stored.significant,
    )


def sentence(comparison: LiveComparison, quote: Quote = str) -> str:
    """Return in a sentence what differs significantly.

    Args:
        comparison: the comparison.
        quote: how the names of the servers are written.
    """
    first, second = map(quote, comparison.names)
    significant = [change for change in comparison.changes if change.is_significant]
    better = [change for change in significant if _is_better(change)]
    worse = [change for change in significant if not _is_better(change)]
    parts = [f"{word} in {_list(some, quote)}" for word, some in (("better", better), ("worse", worse)) if some]
    if not parts:
        return f"{second} does not differ significantly from {first} in anything that was measured."
    return f"{second} is {' and '.join(parts)}, compared with {first}."


def resolution(comparison: LiveComparison) -> str:
    """Return in a sentence from which size on a difference would typically have been significant; "" where unknown."""
    widths = [(change.high - change.low) / 2 for change in comparison.changes if not math.isnan(change.low)]
    if not widths:
        return ""
    percent = math.expm1(median(widths)) * 100
    return f"A typical difference above {percent:.0f} % would have been significant."


def _is_better(change: Change) -> bool:
    return (change.mean > 0) == (change.figure.better is Better.MORE)


def _list(some: Sequence[Change], quote: Quote) -> str:
    return ", ".join(
        f"{quote(change.figure.label)} ({quote(change.workload)}, {change_text(change.mean, change.low, change.high)})"
        for change in some
    )
