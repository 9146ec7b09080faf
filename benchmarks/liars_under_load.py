"""Which liars of the bestiary a load finds out: each of them under a flood and under a paced load.

    nice -n 19 python -m benchmarks.liars_under_load                   all specs, all liars
    nice -n 19 python -m benchmarks.liars_under_load broadcast         those of one spec
    python -m benchmarks.liars_under_load broadcast greets rare_cut    some of them
    --results FILE   what has been found, a line a trial; what stands there already is not tried again

A liar is found out when its trial did not finish. `benchmarks/liars.toml` says which requirements a load can show,
and why it cannot show the others; and of the liars that break one of the first, which of them a load does not provoke.
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
from harness.conformance.selftest import Known, known_servers
from harness.league.bench import COMMAND, LAUNCH_S
from harness.league.trial import TrialRequest, load_limit_s
from harness.model import TrialPlan, TrialResult
from harness.processes.workers import WorkerDied, worker
from harness.records import from_json, to_json

Found = dict[tuple[str, str, int], TrialResult]  # by spec, liar and the number of the load


@dataclass(frozen=True)
class Load:
    """A way to load a liar.

    Attributes:
        only_if_needed: for who should have been found out by the first load, and was not.
    """

    name: str
    workload: str
    parameters: Mapping[str, float]
    only_if_needed: bool = False

    def plan(self, spec: str, liar: Known, number: int) -> TrialPlan:
        """Return the trial of a liar under the load of this number."""
        return TrialPlan(
            block=0,
            implementation=liar.name,
            spec=spec,
            workload=self.workload,
            parameters={"senders": 4, "body_bytes": 32, "warm_up_s": 0.1, **self.parameters},
            probe=number,
        )


LOADS = (
    Load("flood", "flood", {"clients": 100, "window": 1024, "seconds": 0.5}),
    Load("paced", "paced", {"clients": 20, "rate_per_s": 1000, "seconds": 0.5}),
    # Small batches: more often two speak at once. Not of a power of two messages: a liar that lies every thousandth
    # time would always do so at the same place of a batch. Longer: some lie once in thousands of messages.
    Load("12 in flight", "flood", {"clients": 20, "window": 12, "seconds": 4}, only_if_needed=True),
    Load("long flood", "flood", {"clients": 20, "window": 1024, "seconds": 10}, only_if_needed=True),
)
PACED = 1  # its place there
DETAILS = re.compile(r": | \(expected |; | in the middle of the trial| that were sent to")
EXPECTED = Path(__file__).with_name("liars.toml")


@dataclass(frozen=True)
class Expected:
    """What a load should show.

    Attributes:
        shown: requirement without its prefix → how it shows.
        hidden: the same, of those that a load cannot show → why not.
        unprovoked: liars by spec/name that break one of the first kind and yet may finish → why.
    """

    shown: Mapping[str, str]
    hidden: Mapping[str, str]
    unprovoked: Mapping[str, str]

    def of(self, spec: str, liar: Known) -> tuple[bool, str]:
        """Return whether a flood should find a liar out, and why."""
        if why := self.unprovoked.get(f"{spec}/{liar.name}"):
            return False, why
        clause = liar.breaks.partition("-")[2]
        return clause in self.shown, self.shown.get(clause) or self.hidden[clause]


def expected() -> Expected:
    """Return what `liars.toml` says; raise KeyError where it lacks a section."""
    told = tomllib.loads(EXPECTED.read_text("utf-8"))
    return Expected(told["shown"], told["hidden"], told["unprovoked"])


def kept(file: Path) -> Found:
    """Return the results that a file holds, if it is there."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    results = [from_json(line, TrialResult) for line in lines]
    return {(one.plan.spec, one.plan.implementation, int(one.plan.probe)): one for one in results}


async def tried(liars: Sequence[tuple[str, Known]], expectations: Expected, file: Path, jobs: int) -> Found:
    """Put liars under the loads, some at a time; return what came of it."""
    found, waiting = kept(file), iter(liars)
    file.parent.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(worker(COMMAND))
            for spec, liar in waiting:
                for number, load in enumerate(LOADS):
                    enough = load.only_if_needed and (
                        found[spec, liar.name, 0].did_not_finish or not expectations.of(spec, liar)[0]
                    )
                    if enough or (spec, liar.name, number) in found:
                        continue
                    plan = load.plan(spec, liar, number)
                    try:
                        request = to_json(TrialRequest(plan, liar.implementation))
                        result = from_json(await one.ask(request, load_limit_s(plan) + LAUNCH_S), TrialResult)
                    except WorkerDied as error:
                        one, reason = (
                            await stack.enter_async_context(worker(COMMAND)),
                            f"the harness's own fault: {error}",
                        )
                        result = TrialResult(plan=plan, started="", seconds=0, did_not_finish=reason)
                    with file.open("ab") as results:
                        results.write(to_json(result) + b"\n")
                    found[spec, liar.name, number] = result
                    print(f"{spec} {liar.name}, {load.name}: {outcome(result)}", file=sys.stderr, flush=True)

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


def print_tables(liars: Sequence[tuple[str, Known]], found: Found, expectations: Expected) -> int:
    """Print who was found out and who was not; return 1 when somebody got away who should not have, else 0."""
    got_away, others = 0, defaultdict[str, list[str]](list)
    print("| spec | liar | breaks | under floods | paced | how it shows |\n|---|---|---|---|---|---|")
    for spec, liar in liars:
        seen = {
            number: found[spec, liar.name, number] for number in range(len(LOADS)) if (spec, liar.name, number) in found
        }
        wanted, why = expectations.of(spec, liar)
        floods = [one for number, one in seen.items() if number != PACED]
        caught = [outcome(one) for one in floods if one.did_not_finish]
        if not wanted:
            others[why].append(f"{spec} `{liar.name}`{': ' + caught[0] if caught else ''}")
            continue
        got_away += not caught
        told = caught[0] if caught else f"**got away**: {outcome(floods[-1])}"
        print(f"| {spec} | `{liar.name}` | {liar.breaks} | {told} | {outcome(seen[PACED])} | {why} |")
    print("\n| what these loads cannot show, for | liars, and what became of those that did not finish |\n|---|---|")
    for why, names in others.items():
        print(f"| {why} | {', '.join(names)} |")
    return 1 if got_away else 0


def main(arguments: Sequence[str]) -> int:
    """Try the liars that the command line names; print the tables; return 1 when one contradicts what is expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?")
    parser.add_argument("liars", nargs="*")
    parser.add_argument("--results", type=Path, default=Path("results/liars_under_load.jsonl"))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args(arguments)
    liars = [
        (spec.name, one)
        for spec in plugins.specs().values()
        if spec.liars and asked.spec in (None, spec.name)
        for one in known_servers(spec)
        if one.breaks and (not asked.liars or one.name in asked.liars)
    ]
    expectations = expected()
    return print_tables(liars, anyio.run(tried, liars, expectations, asked.results, asked.jobs), expectations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
