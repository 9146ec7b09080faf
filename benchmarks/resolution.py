"""How finely runs tell servers apart, whether two runs agree, and where the variance of the scores comes from.

    python -m benchmarks.resolution RUN [RUN...]
    python -m benchmarks.resolution RUN --keep FILE          write the order as well, to be compared on another day
    python -m benchmarks.resolution RUN --with FILE

For each run and spec: the typical detectable difference of the score (the median half width of the simultaneous
intervals), the share of pairs that are distinguished, the median width of the rank intervals in places, and the
components of variance of the log ratio of a pair in each throughput: between slices of a block, and between blocks
(Kalibera and Jones 2013), with the correlation of the residuals of successive slices. For each two runs: Kendall's tau
of the order of the servers that both rank, and the pairs that both distinguish and one reverses. The orders of earlier
runs are in `benchmarks/orders`.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np

from harness import results
from harness.blocks import BlockResult, Entry, Role
from harness.league.measures import DEFAULT_WEIGHTS, MEASURES, THROUGHPUT
from harness.league.report_card import League, leagues
from harness.model import Run


def resolution(league: League) -> str:
    """Return the line of a league in the first table."""
    comparisons = league.comparisons
    pairs = list(combinations(comparisons.servers, 2))
    differing = sum(comparisons.differ(i, j) for i, j in pairs)
    widths, places = comparisons.half_widths(), [row.rank[1] - row.rank[0] + 1 for row in league.ranked]
    detectable = f"{math.expm1(float(np.median(widths))):.1%}" if len(widths) else "–"
    cells = (league.spec, len(league.ranked), league.blocks, detectable, f"{differing / max(1, len(pairs)):.0%}")
    return f"| {' | '.join(map(str, cells))} | {statistics.median(places or [0]):g} | {league.disturbed:.0%} |"


def components(run: Run, spec: str, kind: str) -> str:
    """Return the line of a kind of slice in the second table."""
    blocks = [block for block in run.blocks if block.spec == spec]
    servers = [entry for entry in blocks[0].entries if entry.role is Role.SERVER]
    names = [entry for entry in servers if all(block.slices_of(entry) for block in blocks)]
    # logarithms, blocks × rounds × servers; a slice that is missing leaves its round out
    rounds = [_rounds(block, names, kind) for block in blocks]
    residuals = [table - table.mean(axis=1, keepdims=True) for table in rounds if len(table) > 1]
    server = np.mean([table.mean(axis=0) for table in residuals], axis=0)
    within = np.mean([table.var(axis=0, ddof=1).mean() for table in residuals])
    means = np.array([table.mean(axis=0) - server for table in residuals])
    each = statistics.mean(len(table) for table in residuals)
    between = max(0.0, float(means.var(axis=0, ddof=1).mean()) - float(within) / each)
    pair = math.sqrt(2)  # a log ratio has the noise of two servers
    cells = (spec, kind, f"{pair * math.sqrt(within):.3f}", f"{pair * math.sqrt(between):.3f}")
    return f"| {' | '.join(cells)} | {_autocorrelation(blocks, kind, server, names)} |"


def _rounds(
    block: BlockResult, entries: Sequence[Entry], kind: str
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the logarithms of the throughput, rounds × entries."""
    slices = [[each for each in block.slices_of(entry) if each.kind == kind] for entry in entries]
    count = min(map(len, slices))
    return np.array([[math.log(some[place].figures[THROUGHPUT]) for some in slices] for place in range(count)])


def _autocorrelation(
    blocks: Sequence[BlockResult], kind: str, levels: Sequence[float], entries: Sequence[Entry]
) -> str:
    """Return the correlation of the residuals of slices at distances of 1, 2, 3, 5 and 10."""
    level_of = dict(zip(entries, levels, strict=True))
    series = []
    for block in blocks:
        slices = [each for each in block.slices if each.kind == kind and block.entries[each.entry] in level_of]
        values = [math.log(each.figures[THROUGHPUT]) - level_of[block.entries[each.entry]] for each in slices]
        series.append(np.array(values) - np.mean(values))
    total = sum(float((values**2).sum()) for values in series)
    count = sum(map(len, series))
    correlations = []
    for distance in (1, 2, 3, 5, 10):
        products = sum(float((values[distance:] * values[:-distance]).sum()) for values in series)
        pairs = sum(max(0, len(values) - distance) for values in series)
        correlations.append(f"{products / pairs / (total / count):.2f}" if pairs else "–")
    return ", ".join(correlations)


class Order(msgspec.Struct):
    """The order of the servers of a league, and what it distinguishes.

    Attributes:
        run: its id.
        spec: its name.
        servers: from the best to the worst.
        better: for each of them those that are significantly worse.
    """

    run: str
    spec: str
    servers: list[str]
    better: dict[str, list[str]]


def order(run: Run, league: League) -> Order:
    """Return the order of a league."""
    names = [row.implementation.name for row in league.ranked]
    places = {name: league.comparisons.index(Entry(name)) for name in names}
    better = {
        name: [other for other in names if league.comparisons.better[places[name], places[other]]] for name in names
    }
    return Order(run.info.id, league.spec, names, better)


def agreement(first: Order, second: Order) -> str:
    """Return in a sentence how two leagues of a spec agree."""
    common = [name for name in first.servers if name in second.servers]
    concordant, reversed_pairs = 0, []
    for a, b in combinations(common, 2):
        concordant += second.servers.index(a) < second.servers.index(b)
        if any(x in first.better[y] and y in second.better[x] for x, y in ((a, b), (b, a))):
            reversed_pairs.append(f"{a} and {b}")
    total = math.comb(len(common), 2)
    tau = 2 * concordant / total - 1 if total else math.nan
    return (
        f"{first.run} and {second.run}, {first.spec}: {len(common)} servers, tau {tau:.3f}; "
        f"reversed: {', '.join(reversed_pairs) or 'none'}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="How finely runs tell servers apart, and whether they agree.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the id or path of a run")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write the orders into a file")
    parser.add_argument("--with", dest="kept", type=Path, metavar="FILE", help="compare with the orders of a file")
    options = parser.parse_args()
    runs, orders = [results.read(results.find(name)) for name in options.runs], list[Order]()
    for run in runs:
        print(f"\n{run.info.id}: {sum(block.seconds for block in run.blocks):.0f} s of blocks\n")
        print("| spec | servers | blocks | detectable | distinguished | rank interval | disturbed |")
        print("|---|---|---|---|---|---|---|")
        for league in leagues(run):
            print(resolution(league))
            orders.append(order(run, league))
        print("\n| spec | slices | sd of a pair, slices | sd of a pair, blocks | correlation at 1, 2, 3, 5, 10 |")
        print("|---|---|---|---|---|")
        for league in leagues(run):
            for name in DEFAULT_WEIGHTS:
                if sum(block.spec == league.spec for block in run.blocks) > 1:
                    print(components(run, league.spec, MEASURES[name].kind))
    if options.keep:
        options.keep.write_bytes(msgspec.json.format(msgspec.json.encode(orders), indent=1) + b"\n")
    if options.kept:
        orders += msgspec.json.decode(options.kept.read_bytes(), type=list[Order])
    print()
    for one, other in combinations(orders, 2):
        if one.spec == other.spec:
            print(agreement(one, other))


if __name__ == "__main__":
    main()
