"""Whether runs are trustworthy: A/A controls that differ from their own server, and runs that contradict each other.

    python -m benchmarks.aa_control                   all runs in results/
    python -m benchmarks.aa_control RUN RUN...        these

An A/A control is a server that is in each block a second time, so a significant difference between the two is false.
For each run, spec and control this prints by how much the control was better than its server, in the score that orders
the league and in each measure, with the intervals of the league, which hold simultaneously for all its pairs. Those
that are significant are bold. At the end it prints how many there were, and each pair of servers that two runs rank in
opposite orders, over all pairs of runs. It makes no runs: `harness run` and `harness bench` do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.interleaved import print_rows
from harness import results
from harness.errors import HarnessError, UsageError
from harness.league.compare_runs import contradictions
from harness.league.comparisons import Comparisons
from harness.league.measures import BY_SCORE, MEASURES
from harness.league.report_card import League, leagues
from harness.model import Run
from harness.report.findings import change_text


@dataclass(frozen=True)
class Difference:
    """By how much a control was better than its server.

    Attributes:
        text: the difference in percent with its interval; "" where it was not measured.
        is_significant: whether the two differ significantly.
    """

    text: str
    is_significant: bool

    def __str__(self) -> str:
        return f"**{self.text}**" if self.is_significant else self.text


@dataclass(frozen=True)
class Control:
    """An A/A control of a run.

    Attributes:
        run: the id of the run.
        league: of its spec.
        server: the name of the server.
        by_score: the difference in the score that orders the league.
        by_measure: the difference in each measure.
    """

    run: str
    league: League
    server: str
    by_score: Difference
    by_measure: Sequence[Difference]


def difference(comparisons: Comparisons, control: int, server: int) -> Difference:
    """Return by how much a control was better than its server.

    Args:
        comparisons: all pairs.
        control: the place of the control in them.
        server: the place of its server.
    """
    mean, low, high = (
        float(matrix[control, server]) for matrix in (comparisons.mean, comparisons.low, comparisons.high)
    )
    return Difference(change_text(mean, low, high) if mean == mean else "", comparisons.differ(control, server))


def controls(run: Run) -> Iterator[Control]:
    """Yield the A/A controls of a run, over all specs."""
    for league in leagues(run):
        for places in league.controls:
            yield Control(
                run=run.info.id,
                league=league,
                server=league.comparisons.entries[places[1]].name,
                by_score=difference(league.comparisons, *places),
                by_measure=[difference(league.by_measure[name], *places) for name in MEASURES],
            )


def read_runs(names: Sequence[str]) -> list[Run]:
    """Return the runs of these names, or all runs that this version can read.

    Raises:
        UsageError: there is no run of such a name, or it cannot be read.
    """
    if names:
        return [results.read(results.find(name)) for name in names]
    runs = list[Run]()
    for path in sorted(path for path in results.folder().glob(f"*/{results.INFO}") if not path.parent.is_symlink()):
        try:
            runs.append(results.read(path.parent))
        except UsageError as error:
            print(error, file=sys.stderr)
    return runs


def print_report(runs: Sequence[Run]) -> None:
    """Print a Markdown table of all controls, and the counts."""
    found = [control for run in runs for control in controls(run)]
    print_rows(
        [
            ["run", "spec", "server", "blocks", "disturbed", BY_SCORE, *MEASURES],
            *(
                [
                    control.run,
                    control.league.spec,
                    control.server,
                    str(control.league.blocks),
                    f"{control.league.disturbed:.0%}",
                    str(control.by_score),
                    *map(str, control.by_measure),
                ]
                for control in found
            ),
        ]
    )
    by_score = sum(control.by_score.is_significant for control in found)
    single = [each for control in found for each in control.by_measure if each.text]
    by_measure = sum(each.is_significant for each in single)
    print(f"\n{by_score} of {len(found)} A/A controls differ significantly from their server in the score,")
    print(f"and {by_measure} of {len(single)} in a single measure.")
    if without := [run.info.id for run in runs if not any(control.run == run.info.id for control in found)]:
        print(f"Without a control: {', '.join(without)}.")
    contradicting = [(run, other, pair) for run, other in combinations(runs, 2) for pair in contradictions(run, other)]
    for run, other, (spec, first, second) in contradicting:
        print(f"{spec}: {run.info.id} ranks {first} before {second}, {other.info.id} the other way round.")
    print(f"{len(contradicting)} contradictions between {len(runs)} runs, each compared with each.")


def main(arguments: Sequence[str]) -> int:
    """Read the runs and print; return 2 when one cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="an id or a path")
    try:
        print_report(read_runs(parser.parse_args(arguments).runs))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
