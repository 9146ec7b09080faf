"""Whether runs on this machine can be believed: ghosts told from their twins, runs that contradict each other.

    python -m benchmarks.ghost --runs 20                        20 runs of three servers: how often is a ghost told
    python -m benchmarks.ghost --runs 2 --profile full NAME...  two full runs of these: does any pair contradict
    python -m benchmarks.ghost --those RUN RUN...               the same of runs that are there already

Only the load that ranks follow from is made.

Prints a line a run, with the ghost against its twin and the share of the trials that was discarded, and a line for each
pair of servers that two runs rank in opposite orders, of all pairs of runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations

from harness import results
from harness.league.compare_runs import contradictions
from harness.league.plan import RANKED
from harness.league.table import League, leagues
from harness.model import Run
from harness.report.findings import change_text

SERVERS = ("asyncio", "selectors", "threads")
COMMAND = (sys.executable, "-c", "from harness.commands.main import main; main()")


def bench(words: Sequence[str]) -> Run:
    """Make a run and return it."""
    subprocess.run([*COMMAND, "bench", *words], stdout=subprocess.DEVNULL, check=True)
    return results.read(results.find(None))


def ghost_of(league: League) -> tuple[bool, str]:
    """Return whether the ghost was told apart from its twin, and the difference in words."""
    if not league.control:
        return False, "no ghost"
    stand = league.comparisons
    told = bool((stand.better | stand.better.T)[league.control])
    mean, low, high = (float(matrix[league.control]) for matrix in (stand.mean, stand.low, stand.high))
    return told, f"{stand.entries[league.control[1]].name} {change_text(mean, low, high)}"


def main() -> None:
    """Make the runs that are asked for, and count."""
    parser = argparse.ArgumentParser(description="Ghosts and contradictions.")
    parser.add_argument("servers", nargs="*", default=SERVERS, help=f"by default {', '.join(SERVERS)}")
    parser.add_argument("--those", nargs="+", default=[], metavar="RUN", help="runs that are there already")
    parser.add_argument("--runs", type=int, default=0, help="how many to make")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--spec", default="broadcast")
    asked = parser.parse_args()
    words = [*asked.servers, "--profile", asked.profile, "--spec", asked.spec, "--workload", RANKED]
    runs = [results.read(results.find(name)) for name in asked.those]
    told = ghosts = 0
    print("| run | spec | ghost against twin | told apart | discarded |\n|---|---|---|---|---|")
    for number in range(len(runs) + asked.runs):
        if number == len(runs):
            runs.append(bench(words))
        for league in leagues(runs[number]):
            apart, said = ghost_of(league)
            told, ghosts = told + apart, ghosts + bool(league.control)
            discarded = f"{league.disturbed} of {league.trials}"
            print(
                f"| {runs[number].info.id} | {league.spec} | {said} | {'yes' if apart else 'no'} | {discarded} |",
                flush=True,
            )
    print(f"\n{told} of {ghosts} ghosts were told apart from their twins.")
    found = [(one, other, pair) for one, other in combinations(runs, 2) for pair in contradictions(one, other)]
    for one, other, (spec, first, second) in found:
        print(f"{spec}: {one.info.id} ranks {first} before {second}, {other.info.id} the other way round")
    print(f"{len(found)} contradictions between {len(runs)} runs, each held against each.")


if __name__ == "__main__":
    main()
