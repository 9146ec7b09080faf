"""Whether known differences are found: servers that are slower by a known share, in runs of the league's own blocks.

    python -m benchmarks.known_differences                        20 runs of five minutes
    python -m benchmarks.known_differences --runs 5 --for 60      five of one minute

Each run loads the C server of `known_differences.c` and the same server slowed down by 2, 3, 5, 10 and 20 %, with two
A/A controls, as any league does, and compares all pairs by the load "all", whose limit is the server. Prints after each
run the estimates with their intervals, and at the end a Markdown table: for each slow-down how often the interval
covered the truth, how often the difference was found, and the median half width; and how often a control was
distinguished from itself. The power is that of pairs of slowed servers as well: a ratio of 1.10 / 1.05 is a slow-down
of 4.8 %.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import anyio

from harness.blocks import BlockResult, Entry, Role, SlicePlan
from harness.league.comparisons import Comparisons, compare
from harness.league.measures import MEASURES
from harness.league.messages import BlockRequest
from harness.league.profiles import PROFILES
from harness.league.run_blocks import run_blocks
from harness.league.schedule import Design, Schedule
from harness.model import Implementation

SOURCE = Path(__file__).with_suffix(".c")
SLOW_DOWNS = (0.0, 0.02, 0.03, 0.05, 0.1, 0.2)
CONTROLS = ("0 %", "20 %")
MEASURE = MEASURES["all"]
# Each slice begins with some tenths of a millisecond in which the server is continued and gets its first message. In
# slices of 20 ms that makes all servers 1 % more alike than they are, which is more than these intervals are wide.
SLICE_S = 0.1
CLIENTS = 25  # with 100 a window of messages would take longer than a slice


def servers(folder: Path) -> list[Implementation]:
    """Build the server, and return it with each slow-down."""
    program = folder / "known_differences"
    subprocess.run(["cc", "-O2", "-Wall", "-o", program, SOURCE, "-lm"], check=True)
    env = shutil.which("env") or "env"
    return [
        Implementation(name=_name(slow_down), spec="broadcast", run=(env, f"SLOW_DOWN={slow_down}", str(program)))
        for slow_down in SLOW_DOWNS
    ]


def _name(slow_down: float) -> str:
    return f"{slow_down * 100:g} %"


async def league(chosen: list[Implementation], seconds: float, seed: int) -> Comparisons:
    """Load the servers for so many seconds, and return all comparisons."""
    design = Design(
        servers=chosen,
        controls={"broadcast": CONTROLS},
        baselines={},
        profile=replace(PROFILES["quick"], idle_clients=0, clients=CLIENTS, slices=(SlicePlan(MEASURE.kind, SLICE_S),)),
        seed=seed,
        at_once=len(chosen),
    )
    until, blocks = time.monotonic() + seconds, list[BlockResult]()
    schedule = Schedule(design, blocks, narrows=False)

    def requests() -> Iterator[BlockRequest]:
        while request := schedule.next_block(until - time.monotonic(), is_extended=True):
            yield request

    await run_blocks(requests(), lambda request: None, blocks.append)
    for block in blocks:
        assert not block.failed, block.failed
    entries = [Entry(server.name) for server in chosen] + [Entry(name, Role.CONTROL) for name in CONTROLS]
    limited = MEASURE.limited_entries(blocks, entries)
    assert not limited, f"the load was the limit of {limited}: this measures something else"
    print(f"{len(blocks)} blocks in {sum(block.seconds for block in blocks):.0f} s", flush=True)
    return compare(MEASURE.scores(blocks, entries, limited), entries, seed=seed)


def main() -> None:
    """Run the leagues and print the tables."""
    parser = argparse.ArgumentParser(description="Known differences between servers, and whether they are found.")
    parser.add_argument("--runs", type=int, default=20, help="the number of runs")
    parser.add_argument("--for", dest="seconds", type=float, default=300, help="how long each run loads, in s")
    options = parser.parse_args()
    covered, found, widths = (defaultdict[float, list[float]](list) for _ in range(3))
    controls = 0
    with tempfile.TemporaryDirectory() as folder:
        chosen = servers(Path(folder))
        for number in range(options.runs):
            compared = anyio.run(partial(league, chosen, options.seconds, random.randrange(2**32)))
            cells = []
            for i, j in combinations(range(len(SLOW_DOWNS)), 2):
                truth = math.log((1 + SLOW_DOWNS[j]) / (1 + SLOW_DOWNS[i]))
                low, high = (float(matrix[i, j]) for matrix in (compared.low, compared.high))
                covered[truth].append(low <= truth <= high)
                found[truth].append(bool(compared.better[i, j]))
                widths[truth].append((high - low) / 2)
                if i == 0:
                    cells.append(f"{truth:.1%}: {float(compared.mean[i, j]):+.1%} [{low:+.1%}, {high:+.1%}]")
            places = len(SLOW_DOWNS)
            control = [compared.differ(places + place, _place(name)) for place, name in enumerate(CONTROLS)]
            controls += any(control)
            print(f"run {number + 1}: {'; '.join(cells)}; controls {control}", flush=True)
    print("\n| slow-down (ln) | covered | found | half width, median |\n|---|---|---|---|")
    for truth in sorted(covered):
        print(
            f"| {truth:.1%} | {sum(covered[truth]):.0f} of {len(covered[truth])} | {sum(found[truth]):.0f} | "
            f"{statistics.median(widths[truth]):.1%} |"
        )
    print(f"\nruns in which a control was distinguished from itself: {controls} of {options.runs}")


def _place(name: str) -> int:
    return [_name(slow_down) for slow_down in SLOW_DOWNS].index(name)


if __name__ == "__main__":
    main()
