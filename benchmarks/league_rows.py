"""Fills the tables of docs/league.md that compare two servers of broadcast with the figures of a run.

    python -m benchmarks.league_rows RUN             shows the document with the new figures
    python -m benchmarks.league_rows RUN --write     writes it

A row is filled if it names two servers of the run as "`a` → `b`" and then has a cell for each of the five measures of
MEASURED: the change from a to b, with its simultaneous interval over all pairs of that measure.
"""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from harness import results
from harness.blocks import Entry
from harness.league.comparisons import Comparisons
from harness.league.report_card import League, leagues

DOCUMENT = Path(__file__).parents[1] / "docs" / "league.md"
MEASURED = ("few", "all", "single", "cpu", "memory")
SMALLER_IS_BETTER = ("cpu", "memory")
ROW = re.compile(r"(\| (?:.*\| )?`(\w+)` → `(\w+)` \|)" + len(MEASURED) * r"([^|\n]+)\|" + "$", re.MULTILINE)


def change(comparisons: Comparisons, first: str, second: str, sign: int) -> str:
    """Return the change from one server to another, with its interval, as the cells of the document have it."""
    i, j = (comparisons.index(Entry(name)) for name in (first, second))
    mean, low, high = (float(matrix[j, i]) * sign for matrix in (comparisons.mean, comparisons.low, comparisons.high))
    if math.isnan(low):
        return "–"  # too few blocks for an interval
    low, high = min(low, high), max(low, high)
    if low <= 0 <= high:
        return f"n.s. [{_percent(low)}, {_percent(high)}]"
    if mean >= math.log(2):
        return f"×{_times(mean)} [{_times(low)}, {_times(high)}]"
    return f"{_percent(mean)} % [{_percent(low)}, {_percent(high)}]"


def _percent(logarithm: float) -> str:
    return f"{100 * math.expm1(logarithm):+.0f}".replace("-", "−")


def _times(logarithm: float) -> str:
    ratio = math.exp(logarithm)
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def filled(text: str, league: League) -> str:
    """Return the document with the figures of a league in its rows."""
    known = {row.implementation.name for row in league.ranked}

    def fill(match: re.Match[str]) -> str:
        first, second = match[2], match[3]
        if not {first, second} <= known:
            print(f"not in this run: {first}, {second}")
            return match[0]
        cells = [
            change(league.by_measure[name], first, second, -1 if name in SMALLER_IS_BETTER else 1) for name in MEASURED
        ]
        return f"{match[1]} {' | '.join(cells)} |"

    return ROW.sub(fill, text)


def main() -> None:
    """Fill the tables."""
    parser = argparse.ArgumentParser(description="Fill the tables of docs/league.md with the figures of a run.")
    parser.add_argument("run", help="its id or path")
    parser.add_argument("--write", action="store_true", help="write the document")
    options = parser.parse_args()
    run = results.read(results.find(options.run))
    text = filled(DOCUMENT.read_text("utf-8"), next(each for each in leagues(run) if each.spec == "broadcast"))
    if options.write:
        DOCUMENT.write_text(text, "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
