"""What `bench` and `run` have in common: a run on disk, its trials, its table."""

from __future__ import annotations

import math
import random
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice, takewhile

import msgspec

from harness import __version__, plugins, results
from harness.errors import UsageError, nearest
from harness.league import plan
from harness.league.baseline_relay import relay
from harness.league.bench import bench
from harness.league.plan import BASELINE, RANKED, Design
from harness.load.engine import choose
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult
from harness.report.formats.terminal import render
from harness.report.progress import Show, show
from harness.results import Store
from harness.zoo import build, machine
from harness.zoo.code_lines import code_lines
from harness.zoo.discover import why_unavailable

FIRST = 16  # servers that are looked at before the others are checked, or even built


@dataclass(frozen=True)
class Clock:
    """How long a run may take, on the monotonic clock.

    Attributes:
        more_until_s: when time for blocks beyond the planned ones is over.
        end_s: when no further case or trial begins.
    """

    more_until_s: float
    end_s: float = math.inf

    @classmethod
    def of(cls, for_s: float, within_s: float) -> Clock:
        """Return the clock of a run that begins now."""
        now = time.monotonic()
        return cls(now + for_s, now + within_s)

    @property
    def is_limited(self) -> bool:
        return math.isfinite(self.end_s)

    @property
    def left_s(self) -> float:
        """How long until the end."""
        return self.end_s - time.monotonic()


def new_run(
    implementations: Sequence[Implementation],
    profile: str,
    reference: str = "",
    workloads: Sequence[str] = (),
    *,
    smoke: bool = False,
) -> tuple[Store, Run]:
    """Make the folder of a new run, with nothing in it yet; what is not said here is as in `RunInfo`.

    Raises:
        UsageError: the reference is none of the servers, or there is no such workload.
    """
    names = dict.fromkeys(one.name for one in implementations)
    if reference and reference not in names:
        raise UsageError(f'the reference "{reference}" is none of the servers{nearest(reference, names)}')
    for name in workloads:
        if name not in (known := plugins.workloads()):
            raise UsageError(f'there is no workload "{name}"{nearest(name, known)}; known: {", ".join(known)}')
    now = datetime.now(UTC)
    info = RunInfo(
        id=f"{now:%Y%m%dT%H%M%S}-{random.randrange(16**4):04x}",
        started=now.isoformat(timespec="seconds"),
        command=shlex.join(["harness", *sys.argv[1:]]),
        version=__version__,
        commit=machine.commit(),
        machine=machine.describe(),
        profile=profile,
        workloads=tuple(workloads),
        smoke=smoke,
        seed=random.randrange(2**32),
        implementations=tuple(implementations),
        unavailable={f"{one.spec}/{one.name}": reason for one in implementations if (reason := why_unavailable(one))},
        toolchains=machine.toolchains(implementations),
        code_lines={f"{one.spec}/{one.name}": code_lines(one) for one in implementations},
        reference=reference,
        engine=choose.engine_name(),
    )
    return results.create(info), Run(info, [], [])


def reopened(name: str | None) -> tuple[Store, Run]:
    """Return a run to go on with, and what it has so far."""
    return results.reopen(results.find(name))


def looked_at_first(implementations: Sequence[Implementation]) -> list[Implementation]:
    """Return some servers of the first spec that can be started at once; none where there are few anyway."""
    if len(implementations) <= FIRST:
        return []
    ready = (one for one in implementations if not why_unavailable(one) and build.is_built(one))
    return [one for one in islice(ready, FIRST) if one.spec == implementations[0].spec]


async def look(store: Store, implementations: Sequence[Implementation]) -> None:
    """Load these servers once and print the table, for who waits; nothing of it is kept or counts."""
    trials: list[TrialResult] = []
    with show("bench") as bar:
        design = _design(store.info, implementations, bar)
        design = replace(design, ghosts={}, workloads={RANKED: design.workloads[RANKED]})
        once = takewhile(lambda one: not one.block, plan.planned(design, trials))
        bar.expect(len(implementations))
        starting, ended = (lambda one: bar.now(one.implementation)), (lambda result: bar.done())
        await bench(once, implementations, trials, starting, ended, attempts=1)
    info = msgspec.structs.replace(store.info, implementations=tuple(implementations))
    print(f"\na first look, at one trial each:\n\n{_league(Run(info, results.read(store.path).cases, trials))}")


async def measure(
    store: Store, implementations: Sequence[Implementation], so_far: Sequence[TrialResult], clock: Clock
) -> bool:
    """Make the trials that are not done yet, print the league; return whether all servers finished all.

    Whoever has little time has an order first, and sees one after the first block.
    """
    with show("bench") as bar:
        design = _design(store.info, implementations, bar)
        profile, done = design.profile, list(so_far)
        bar.expect(len(_not_in(done, plan.planned(design, []))))

        def starting(one: TrialPlan) -> None:
            who = f"the ghost of {one.implementation}" if one.is_control else one.implementation
            bar.now(f"{who}: {one.workload}, block {one.block + 1}{f', step {one.probe + 1}' if one.probe else ''}")
            if one.probe or one.block >= profile.blocks:
                bar.expect(1)

        def ended(result: TrialResult) -> None:
            store.add_trial(result)
            bar.done()
            what = f"{result.plan.implementation}: {result.plan.workload}"
            if result.disturbed:
                bar.say(f"{what} does not count: {result.disturbed}")
            if result.did_not_finish:
                bar.say(f"{what} did not finish: {result.did_not_finish}")

        def first_rows(trials: Iterable[TrialPlan]) -> Iterator[TrialPlan]:
            told = not clock.is_limited
            for one in trials:
                if not told and one.block:
                    bar.say(f"\nafter the first of {profile.blocks} blocks:\n\n{_league(results.read(store.path))}")
                    told = True
                yield one

        trials = chain(
            first_rows(plan.planned(design, done, ranked_first=clock.is_limited)),
            plan.added(design, done, lambda: time.monotonic() >= clock.more_until_s),
        )
        in_time = takewhile(lambda _: time.monotonic() < clock.end_s, trials)
        await bench(in_time, [*implementations, *design.baselines], done, starting, ended, profile.attempts)
    run = results.read(store.path)
    print(f"\n{_league(run)}", end="")
    print("\n`harness report --plots` draws latency, throughput and drops; `--svg FOLDER` writes them as files")
    return not any(one.did_not_finish for one in run.trials if one.plan.workload != BASELINE)


def _league(run: Run) -> str:
    return render(run, shutil.get_terminal_size().columns)


def _design(info: RunInfo, implementations: Sequence[Implementation], bar: Show) -> Design:
    profile, workloads = plan.PROFILES[info.profile], plugins.workloads()
    if info.workloads:
        workloads = {name: one for name, one in workloads.items() if name in (RANKED, *info.workloads)}
    return Design(
        implementations=implementations,
        controls=plan.references(implementations, profile, info.reference),
        baselines=_ceilings(implementations, bar),
        specs=plugins.specs(),
        workloads=workloads,
        profile=profile,
        seed=info.seed,
    )


def _ceilings(implementations: Sequence[Implementation], bar: Show) -> list[Implementation]:
    found = [relay(spec) for spec in dict.fromkeys(one.spec for one in implementations)]
    if found and (reason := why_unavailable(found[0])):
        bar.say(f"the kernel's ceiling is not measured: {reason}")
        return []
    return found


def _not_in(done: Sequence[TrialResult], trials: Iterable[TrialPlan]) -> list[TrialPlan]:
    made = {one.plan.key for one in done}
    return [one for one in trials if one.key not in made]
