"""Which mutants of the bestiary a load finds out: each of them under a flood and under a paced load.

    nice -n 19 python -m benchmarks.mutants_under_load                   all specs, all mutants
    nice -n 19 python -m benchmarks.mutants_under_load broadcast         those of one spec
    python -m benchmarks.mutants_under_load broadcast greets rare_cut    some of them
    --results FILE   what has been found, a line a trial; what stands there already is not tried again

A mutant is found out when its trial did not finish. `benchmarks/mutants.toml` says which requirements a load can show,
and why it cannot show the others; and of the mutants that break one of the first, which of them a load does not provoke.
What contradicts it is marked, and the exit status is 1. Nothing here measures time: a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio

from harness import plugins
from harness.conformance.selftest import KnownServer, known_servers
from harness.league.bench import COMMAND, LAUNCH_S
from harness.league.messages import TrialRequest
from harness.league.trial import load_limit_s
from harness.model import TrialPlan, TrialResult
from harness.processes.workers import WorkerDied, open_worker
from harness.records import from_json, to_json

Found = dict[tuple[str, str, int], TrialResult]  # by spec, mutant and the number of the load


@dataclass(frozen=True)
class Load:
    """A way to load a mutant.

    Attributes:
        only_if_needed: for who should have been found out by the first load, and was not.
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
    # Small batches: more often two speak at once. Not of a power of two messages: a mutant that lies every thousandth
    # time would always do so at the same place of a batch. Longer: some lie once in thousands of messages.
    Load("12 in flight", "flood", {"clients": 20, "in_flight": 12, "seconds": 4}, only_if_needed=True),
    Load("long flood", "flood", {"clients": 20, "in_flight": 1024, "seconds": 10}, only_if_needed=True),
)
PACED = 1  # its place there
DETAILS = re.compile(r": | \(expected |; | in the middle of the trial| that were sent to")
EXPECTED = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True)
class Expected:
    """What a load should show.

    Attributes:
        shown: requirement without its prefix → how it shows.
        hidden: the same, of those that a load cannot show → why not.
        unprovoked: mutants by spec/name that break one of the first kind and yet may finish → why.
    """

    shown: Mapping[str, str]
    hidden: Mapping[str, str]
    unprovoked: Mapping[str, str]

    def of(self, spec: str, mutant: KnownServer) -> tuple[bool, str]:
        """Return whether a flood should find a mutant out, and why."""
        if why := self.unprovoked.get(f"{spec}/{mutant.name}"):
            return False, why
        clause = mutant.breaks.partition("-")[2]
        return clause in self.shown, self.shown.get(clause) or self.hidden[clause]


def expected() -> Expected:
    """Return what `mutants.toml` says; raise KeyError where it lacks a section."""
    told = tomllib.loads(EXPECTED.read_text("utf-8"))
    return Expected(told["shown"], told["hidden"], told["unprovoked"])


def kept(file: Path) -> Found:
    """Return the results that a file holds, if it is there."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    results = [from_json(line, TrialResult) for line in lines]
    return {(one.plan.spec, one.plan.implementation, int(one.plan.probe)): one for one in results}


async def tried(mutants: Sequence[tuple[str, KnownServer]], expectations: Expected, file: Path, jobs: int) -> Found:
    """Put mutants under the loads, some at a time; return what came of it."""
    found, waiting = kept(file), iter(mutants)
    file.parent.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(open_worker(COMMAND))
            for spec, mutant in waiting:
                for number, load in enumerate(LOADS):
                    enough = load.only_if_needed and (
                        found[spec, mutant.name, 0].did_not_finish or not expectations.of(spec, mutant)[0]
                    )
                    if enough or (spec, mutant.name, number) in found:
                        continue
                    plan = load.plan(spec, mutant, number)
                    try:
                        request = to_json(TrialRequest(plan, mutant.implementation))
                        result = from_json(await one.request(request, load_limit_s(plan) + LAUNCH_S), TrialResult)
                    except WorkerDied as error:
                        one, reason = (
                            await stack.enter_async_context(open_worker(COMMAND)),
                            f"the harness's own fault: {error}",
                        )
                        result = TrialResult(plan=plan, started="", seconds=0, did_not_finish=reason)
                    with file.open("ab") as results:
                        results.write(to_json(result) + b"\n")
                    found[spec, mutant.name, number] = result
                    print(f"{spec} {mutant.name}, {load.name}: {outcome(result)}", file=sys.stderr, flush=True)

    async with anyio.create_task_group() as tasks:
        for _ in range(jobs):
            tasks.start_soon(work)
    return found


def outcome(result: TrialResult) -> str:
    """Return in a few words what came of a trial."""
    if result.did_not_finish:
        return DETAILS.split(result.did_not_finish)[0].replace("|", "\\|")
    dropped = result.figures.get("dropped_share", 0)
    return f"*finished*, {dropped:.1%} dropped" if dropped > 0 else "*finished*"


def print_tables(mutants: Sequence[tuple[str, KnownServer]], found: Found, expectations: Expected) -> int:
    """Print who was found out and who was not; return 1 when somebody got away who should not have, else 0."""
    got_away, others = 0, defaultdict[str, list[str]](list)
    print("| spec | mutant | breaks | under floods | paced | how it shows |\n|---|---|---|---|---|---|")
    for spec, mutant in mutants:
        seen = {
            number: found[spec, mutant.name, number]
            for number in range(len(LOADS))
            if (spec, mutant.name, number) in found
        }
        wanted, why = expectations.of(spec, mutant)
        floods = [one for number, one in seen.items() if number != PACED]
        caught = [outcome(one) for one in floods if one.did_not_finish]
        if not wanted:
            others[why].append(f"{spec} `{mutant.name}`{': ' + caught[0] if caught else ''}")
            continue
        got_away += not caught
        told = caught[0] if caught else f"**got away**: {outcome(floods[-1])}"
        print(f"| {spec} | `{mutant.name}` | {mutant.breaks} | {told} | {outcome(seen[PACED])} | {why} |")
    print("\n| what these loads cannot show, for | mutants, and what became of those that did not finish |\n|---|---|")
    for why, names in others.items():
        print(f"| {why} | {', '.join(names)} |")
    return 1 if got_away else 0


def main(arguments: Sequence[str]) -> int:
    """Try the mutants that the command line names; print the tables; return 1 when one contradicts what is expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?")
    parser.add_argument("mutants", nargs="*")
    parser.add_argument("--results", type=Path, default=Path("results/liars_under_load.jsonl"))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args(arguments)
    mutants = [
        (spec.name, one)
        for spec in plugins.specs().values()
        if spec.mutants and asked.spec in (None, spec.name)
        for one in known_servers(spec)
        if one.breaks and (not asked.mutants or one.name in asked.mutants)
    ]
    expectations = expected()
    return print_tables(mutants, anyio.run(tried, mutants, expectations, asked.results, asked.jobs), expectations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
