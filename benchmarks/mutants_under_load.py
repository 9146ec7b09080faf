"""Which mutants a load detects: each of tests/mutants under a flood and under a paced load.

    nice -n 19 python -m benchmarks.mutants_under_load                   all specs, all mutants
    nice -n 19 python -m benchmarks.mutants_under_load broadcast         those of one spec
    python -m benchmarks.mutants_under_load broadcast greets rare_cut    some of them
    --results FILE   the results so far, a line for each trial; trials in this file are not repeated
    --cluster WHERE  the load comes from other machines than the server: tcp://HOST:PORT, or local:N

A mutant is detected when its trial did not finish. `benchmarks/mutants.toml` says which requirements a load can test,
and why it cannot test the others; and which mutants that break one of the former a load does not provoke. Results that
contradict it are marked, and then the exit status is 1. Nothing here measures time: a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from harness import plugins
from harness.conformance.selftest import KnownServer, known_servers
from harness.league.bench import LocalTrials, TrialRunner
from harness.league.messages import TrialRequest
from harness.model import TrialPlan, TrialResult
from harness.records import from_json, to_json

Results = dict[tuple[str, str, int], TrialResult]  # by spec, mutant and the number of the load


@dataclass(frozen=True)
class Load:
    """A way to load a mutant.

    Attributes:
        name: of the load, for people.
        workload: the name of the workload.
        parameters: those of the workload that differ from load to load.
        only_if_needed: whether it is only for mutants that the first load should have detected and did not.
    """

    name: str
    workload: str
    parameters: Mapping[str, float]
    only_if_needed: bool = False

    def plan(self, spec: str, mutant: KnownServer, number: int) -> TrialPlan:
        """Return the trial of a mutant under the load of this number."""
        return TrialPlan(
            block=0,
            implementation=mutant.name,
            spec=spec,
            workload=self.workload,
            parameters={"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, **self.parameters},
            probe=number,
        )


LOADS = (
    Load("flood", "flood", {"clients": 100, "in_flight": 1024, "seconds": 0.5}),
    Load("paced", "paced", {"clients": 20, "rate_per_s": 1000, "seconds": 0.5}),
    # In small batches, two clients send at once more often. Their size is no power of two: a mutant that errs every
    # thousandth time would always err at the same place of a batch. Longer: some err once in thousands of messages.
    Load("12 in flight", "flood", {"clients": 20, "in_flight": 12, "seconds": 4}, only_if_needed=True),
    Load("long flood", "flood", {"clients": 20, "in_flight": 1024, "seconds": 10}, only_if_needed=True),
)
PACED = 1  # the number of the paced load
DETAILS = re.compile(r": | \(expected |; | in the middle of the trial| that were sent to")
EXPECTED = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True)
class Expected:
    """What a load should detect.

    Attributes:
        shown: requirement without its prefix → how a load detects that it is broken.
        hidden: requirement without its prefix, for those that a load cannot test → why not.
        unprovoked: mutant as spec/name that breaks a requirement in `shown` and yet may finish → why.
    """

    shown: Mapping[str, str]
    hidden: Mapping[str, str]
    unprovoked: Mapping[str, str]

    def of(self, spec: str, mutant: KnownServer) -> tuple[bool, str]:
        """Return whether a flood should detect a mutant, and why."""
        if why := self.unprovoked.get(f"{spec}/{mutant.name}"):
            return False, why
        requirement = mutant.breaks.partition("-")[2]
        return requirement in self.shown, self.shown.get(requirement) or self.hidden[requirement]


def expected() -> Expected:
    """Return what `mutants.toml` says; raise KeyError where it lacks a section."""
    sections = tomllib.loads(EXPECTED.read_text("utf-8"))
    return Expected(sections["shown"], sections["hidden"], sections["unprovoked"])


def read_results(file: Path) -> Results:
    """Return the results in a file; none where it does not exist."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    results = [from_json(line, TrialResult) for line in lines]
    return {(result.plan.spec, result.plan.implementation, int(result.plan.probe)): result for result in results}


@asynccontextmanager
async def trials_on(where: str, mutants: Sequence[tuple[str, KnownServer]]) -> AsyncIterator[TrialRunner]:
    """Yield what runs a trial: on this machine, or with a load from the other machines of a cluster.

    Args:
        where: the address of a cluster, or "".
        mutants: spec and mutant.
    """
    if not where:
        async with LocalTrials() as local:
            yield local.run
        return
    from harness.cluster.cluster import open_cluster

    async with (
        open_cluster(where, [mutant.implementation for _, mutant in mutants]) as cluster,
        cluster.spread_load(None) as load,
    ):
        yield load.run_trial


async def load_all(
    mutants: Sequence[tuple[str, KnownServer]], expectations: Expected, file: Path, jobs: int, where: str = ""
) -> Results:
    """Load mutants, some at a time, and append each result to a file; return all results.

    Args:
        mutants: spec and mutant.
        expectations: of `mutants.toml`.
        file: the results so far, and from now on.
        jobs: how many mutants to load at a time; one in a cluster.
        where: the address of a cluster from whose machines the load comes; "" for this machine.
    """
    results, waiting = read_results(file), iter(mutants)
    file.parent.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with trials_on(where, mutants) as run_trial:
            for spec, mutant in waiting:
                for number, load in enumerate(LOADS):
                    enough = load.only_if_needed and (
                        results[spec, mutant.name, 0].did_not_finish or not expectations.of(spec, mutant)[0]
                    )
                    if enough or (spec, mutant.name, number) in results:
                        continue
                    result = await run_trial(TrialRequest(load.plan(spec, mutant, number), mutant.implementation))
                    with file.open("ab") as lines:
                        lines.write(to_json(result) + b"\n")
                    results[spec, mutant.name, number] = result
                    print(f"{spec} {mutant.name}, {load.name}: {outcome(result)}", file=sys.stderr, flush=True)

    async with anyio.create_task_group() as tasks:
        for _ in range(1 if where else jobs):
            tasks.start_soon(work)
    return results


def outcome(result: TrialResult) -> str:
    """Return the outcome of a trial in a few words."""
    if result.did_not_finish:
        return DETAILS.split(result.did_not_finish)[0].replace("|", "\\|")
    dropped = result.figures.get("dropped_share", 0)
    return f"*finished*, {dropped:.1%} dropped" if dropped > 0 else "*finished*"


def print_tables(mutants: Sequence[tuple[str, KnownServer]], results: Results, expectations: Expected) -> int:
    """Print which mutants were detected; return 1 when one was not that should have been, else 0.

    Args:
        mutants: spec and mutant.
        results: their trials.
        expectations: of `mutants.toml`.
    """
    missed, others = 0, defaultdict[str, list[str]](list)
    print("| spec | mutant | breaks | under floods | paced | how it is detected |\n|---|---|---|---|---|---|")
    for spec, mutant in mutants:
        trials = {
            number: results[spec, mutant.name, number]
            for number in range(len(LOADS))
            if (spec, mutant.name, number) in results
        }
        wanted, why = expectations.of(spec, mutant)
        floods = [trial for number, trial in trials.items() if number != PACED]
        caught = [outcome(trial) for trial in floods if trial.did_not_finish]
        if not wanted:
            others[why].append(f"{spec} `{mutant.name}`{': ' + caught[0] if caught else ''}")
            continue
        missed += not caught
        flooded = caught[0] if caught else f"**not detected**: {outcome(floods[-1])}"
        print(f"| {spec} | `{mutant.name}` | {mutant.breaks} | {flooded} | {outcome(trials[PACED])} | {why} |")
    print("\n| why these loads cannot detect it | mutants, with the outcome of those that did not finish |\n|---|---|")
    for why, names in others.items():
        print(f"| {why} | {', '.join(names)} |")
    return 1 if missed else 0


def main(arguments: Sequence[str]) -> int:
    """Load the mutants that the command line names; print the tables; return 1 when a result is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?")
    parser.add_argument("mutants", nargs="*")
    parser.add_argument("--results", type=Path, default=Path("results/mutants_under_load.jsonl"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cluster", default="")
    options = parser.parse_args(arguments)
    mutants = [
        (spec.name, server)
        for spec in plugins.specs().values()
        if spec.mutants and options.spec in (None, spec.name)
        for server in known_servers(spec)
        if server.breaks and (not options.mutants or server.name in options.mutants)
    ]
    expectations = expected()
    results = anyio.run(load_all, mutants, expectations, options.results, options.jobs, options.cluster)
    return print_tables(mutants, results, expectations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
