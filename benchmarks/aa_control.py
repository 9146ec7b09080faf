"""Whether runs on this machine are trustworthy: A/A controls that differ, and runs that contradict each other.

    python -m benchmarks.aa_control --runs 20                        20 runs of three servers
    python -m benchmarks.aa_control --runs 2 --profile full NAME...  two full runs of these servers
    python -m benchmarks.aa_control --existing RUN RUN...            the same for runs that exist already

It runs only the workload that decides the ranking.

It prints a line for each run, with the difference between the A/A control and the reference, which are the same server,
and the share of the trials that were discarded; and a line for each pair of servers that two runs rank in opposite
orders, over all pairs of runs.
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


def bench(arguments: Sequence[str]) -> Run:
    """Run the command `bench`, and return its run."""
    subprocess.run([*COMMAND, "bench", *arguments], stdout=subprocess.DEVNULL, check=True)
    return results.read(results.find(None))


def control_of(league: League) -> tuple[bool, str]:
    """Return whether the A/A control differs significantly from the reference, and the difference in words."""
    if not league.control:
        return False, "no control"
    compared = league.comparisons
    differs = bool((compared.better | compared.better.T)[league.control])
    mean, low, high = (float(matrix[league.control]) for matrix in (compared.mean, compared.low, compared.high))
    return differs, f"{compared.entries[league.control[1]].name} {change_text(mean, low, high)}"


def main() -> None:
    """Make or read the runs, and count."""
    parser = argparse.ArgumentParser(description="Count A/A controls that differ, and contradictions between runs.")
    parser.add_argument(
        "servers", nargs="*", default=SERVERS, help=f"the servers to compare; by default {', '.join(SERVERS)}"
    )
    parser.add_argument("--existing", nargs="+", default=[], metavar="RUN", help="read these runs, which exist already")
    parser.add_argument("--runs", type=int, default=0, help="the number of runs to make")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--spec", default="broadcast")
    options = parser.parse_args()
    arguments = [*options.servers, "--profile", options.profile, "--spec", options.spec, "--workload", RANKED]
    runs = [results.read(results.find(name)) for name in options.existing]
    significant = controls = 0
    print("| run | spec | control against reference | significant | discarded |\n|---|---|---|---|---|")
    for number in range(len(runs) + options.runs):
        if number == len(runs):
            runs.append(bench(arguments))
        for league in leagues(runs[number]):
            differs, difference = control_of(league)
            significant, controls = significant + differs, controls + bool(league.control)
            discarded = f"{league.disturbed} of {league.trials}"
            cells = (runs[number].info.id, league.spec, difference, "yes" if differs else "no", discarded)
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{significant} of {controls} A/A controls differed significantly from the reference.")
    contradicting = [(run, other, pair) for run, other in combinations(runs, 2) for pair in contradictions(run, other)]
    for run, other, (spec, first, second) in contradicting:
        print(f"{spec}: {run.info.id} ranks {first} before {second}, {other.info.id} the other way round")
    print(f"{len(contradicting)} contradictions between {len(runs)} runs, each compared with each.")


if __name__ == "__main__":
    main()
