"""What `bench` and `run` have in common: a run on disk, its trials, its table."""

from __future__ import annotations

import random
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from harness import __version__, machine, plugins, results
from harness.code_lines import code_lines
from harness.discover import why_not_here
from harness.league.bench import bench
from harness.league.plan import PROFILES, plan
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult
from harness.report.progress import show
from harness.report.terminal import render
from harness.results import Store


def new_run(implementations: Sequence[Implementation], profile: str) -> tuple[Store, Run]:
    """Make the folder of a new run, with nothing in it yet."""
    now = datetime.now(UTC)
    info = RunInfo(
        id=f"{now:%Y%m%dT%H%M%S}-{random.randrange(16**4):04x}",
        started=now.isoformat(timespec="seconds"),
        command=shlex.join(["harness", *sys.argv[1:]]),
        version=__version__,
        commit=machine.commit(),
        machine=machine.describe(),
        profile=profile,
        seed=random.randrange(2**32),
        implementations=tuple(implementations),
        unavailable={f"{one.spec}/{one.name}": reason for one in implementations if (reason := why_not_here(one))},
        toolchains=machine.toolchains(implementations),
        code_lines={f"{one.spec}/{one.name}": code_lines(one) for one in implementations},
    )
    return results.create(info), Run(info, [], [])


def reopened(name: str | None) -> tuple[Store, Run]:
    """Return a run to go on with, and what it has so far."""
    return results.reopen(results.find(name))


async def measure(store: Store, implementations: Sequence[Implementation], done: Sequence[TrialResult]) -> bool:
    """Make the trials that are not done yet, print the league; return whether all servers finished all."""
    known = {one.plan.key for one in done}
    profile = PROFILES[store.info.profile]
    planned = plan(implementations, plugins.specs(), plugins.workloads(), profile, store.info.seed)
    trials = [one for one in planned if one.key not in known]
    with show("bench") as bar:
        bar.expect(len(trials))

        def starting(one: TrialPlan) -> None:
            bar.now(f"{one.implementation}: {one.workload}, block {one.block + 1}")

        def ended(result: TrialResult) -> None:
            store.add_trial(result)
            bar.done()
            if result.did_not_finish:
                bar.say(f"{result.plan.implementation}: {result.plan.workload} did not finish: {result.did_not_finish}")

        await bench(trials, implementations, starting, ended)
    run = results.read(store.path)
    print()
    print(render(run, shutil.get_terminal_size().columns), end="")
    print("\n`harness report --plots` draws latency, throughput and drops; `--svg FOLDER` writes them as files")
    return not any(one.did_not_finish for one in run.trials)
