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
from harness.commands.changed_sources import digests, set_aside_changed
from harness.errors import UsageError, nearest
from harness.escapes import visible
from harness.league import plan
from harness.league.baseline_relay import relay
from harness.league.bench import bench
from harness.league.plan import BASELINE, RANKED, Design
from harness.league.profiles import PROFILES
from harness.load.engine import choose
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult
from harness.report.formats.terminal import render
from harness.report.progress import ProgressBar, progress_bar
from harness.results import Store
from harness.zoo import build, machine
from harness.zoo.code_lines import code_lines
from harness.zoo.discover import why_unavailable

PREVIEWED = 16  # servers that are measured once before the others are checked, or even built


@dataclass(frozen=True)
class Clock:
    """How long a run may take, on the monotonic clock.

    Attributes:
        more_until_s: until when blocks beyond the planned ones may start.
        end_s: when no further case or trial starts.
    """

    more_until_s: float
    end_s: float = math.inf

    @classmethod
    def of(cls, for_s: float, within_s: float) -> Clock:
        """Return the clock of a run that starts now, from `--for` and `--within` in seconds."""
        now = time.monotonic()
        return cls(now + for_s, now + within_s)

    @property
    def is_limited(self) -> bool:
        """Whether the run has an end."""
        return math.isfinite(self.end_s)

    @property
    def left_s(self) -> float:
        """The time until the end."""
        return self.end_s - time.monotonic()


def new_run(
    implementations: Sequence[Implementation],
    profile: str,
    reference: str = "",
    workloads: Sequence[str] = (),
    *,
    smoke: bool = False,
) -> tuple[Store, Run]:
    """Create the folder of a new run, with no result in it yet.

    Args:
        implementations: the servers that were selected.
        profile: a name in `PROFILES`.
        reference: the server that has an A/A control; "" for the first idiomatic one of each spec.
        workloads: the only ones to measure beside the one that ranks; () for all.
        smoke: whether servers are checked with the smoke cases only.

    Raises:
        UsageError: the reference is not among the servers, or a workload is unknown.
    """
    names = dict.fromkeys(server.name for server in implementations)
    if reference and reference not in names:
        raise UsageError(f'the reference "{reference}" is not among the servers{nearest(reference, names)}')
    for name in workloads:
        if name not in (known := plugins.workloads()):
            raise UsageError(f'there is no workload "{name}"{nearest(name, known)}; known: {", ".join(known)}')
    now = datetime.now(UTC)
    info = RunInfo(
        id=f"{now:%Y%m%dT%H%M%S}-{random.randrange(16**4):04x}",
        started=now.isoformat(timespec="seconds"),
        command=visible(shlex.join(["harness", *sys.argv[1:]])),
        version=__version__,
        commit=machine.commit(),
        machine=machine.describe(),
        profile=profile,
        workloads=tuple(workloads),
        smoke=smoke,
        seed=random.randrange(2**32),
        implementations=tuple(implementations),
        unavailable={_key(server): reason for server in implementations if (reason := why_unavailable(server))},
        toolchains=machine.toolchains(implementations),
        code_lines={_key(server): code_lines(server) for server in implementations},
        sources=digests(implementations),
        reference=reference,
        engine=choose.engine_name(),
    )
    return results.create(info), Run(info, [], [])


def _key(server: Implementation) -> str:
    return f"{server.spec}/{server.name}"


def reopen(name: str | None) -> tuple[Store, Run]:
    """Return an interrupted run, and its results so far."""
    return set_aside_changed(*results.reopen(results.find(name)))


def preview_servers(implementations: Sequence[Implementation]) -> list[Implementation]:
    """Return some servers of the first spec that need no build; none if there are few servers anyway."""
    if len(implementations) <= PREVIEWED:
        return []
    ready = (server for server in implementations if not why_unavailable(server) and build.is_built(server))
    return [server for server in islice(ready, PREVIEWED) if server.spec == implementations[0].spec]


async def preview(store: Store, implementations: Sequence[Implementation]) -> None:
    """Measure these servers once and print the table, so that there is something to read; nothing of it is kept."""
    trials: list[TrialResult] = []
    with progress_bar("bench") as bar:
        design = _design(store.info, implementations, bar)
        design = replace(design, controls={}, workloads={RANKED: design.workloads[RANKED]})
        once = takewhile(lambda trial: not trial.block, plan.planned(design, trials))
        bar.expect(len(implementations))
        starting, ended = (lambda trial: bar.show(trial.implementation)), (lambda result: bar.advance())
        await bench(once, implementations, trials, starting, ended, attempts=1)
    info = msgspec.structs.replace(store.info, implementations=tuple(implementations))
    print(
        f"\na preview, from one trial of each server:\n\n{_league(Run(info, results.read(store.path).cases, trials))}"
    )


async def measure(
    store: Store, implementations: Sequence[Implementation], so_far: Sequence[TrialResult], clock: Clock
) -> bool:
    """Make the missing trials of a run and print the league; return whether all servers finished all trials.

    Under a deadline, the ranking workload runs first, and the league is printed after the first block as well.

    Args:
        store: the run.
        implementations: the servers to measure.
        so_far: the trials that the run has already.
        clock: how long it may take.
    """
    with progress_bar("bench") as bar:
        design = _design(store.info, implementations, bar)
        profile, done = design.profile, list(so_far)
        bar.expect(len(_not_in(done, plan.planned(design, []))))

        def starting(trial: TrialPlan) -> None:
            name = f"the A/A control {trial.implementation}" if trial.is_control else trial.implementation
            step = f", step {trial.probe + 1}" if trial.probe else ""
            bar.show(f"{name}: {trial.workload}, block {trial.block + 1}{step}")
            if trial.probe or trial.block >= profile.blocks:
                bar.expect(1)

        def ended(result: TrialResult) -> None:
            store.add_trial(result)
            bar.advance()
            trial = f"{result.plan.implementation}: {result.plan.workload}"
            if result.disturbed:
                bar.print(f"{trial} does not count: {result.disturbed}")
            if result.did_not_finish:
                bar.print(f"{trial} did not finish: {result.did_not_finish}")

        def showing_first_block(trials: Iterable[TrialPlan]) -> Iterator[TrialPlan]:
            is_shown = not clock.is_limited
            for trial in trials:
                if not is_shown and trial.block:
                    bar.print(f"\nafter the first of {profile.blocks} blocks:\n\n{_league(results.read(store.path))}")
                    is_shown = True
                yield trial

        trials = chain(
            showing_first_block(plan.planned(design, done, ranked_first=clock.is_limited)),
            plan.added(design, done, lambda: time.monotonic() >= clock.more_until_s),
        )
        in_time = takewhile(lambda _: time.monotonic() < clock.end_s, trials)
        await bench(in_time, [*implementations, *design.baselines], done, starting, ended, profile.attempts)
    run = results.read(store.path)
    print(f"\n{_league(run)}", end="")
    print("\n`harness report --plots` draws latency, throughput and drops; `--svg FOLDER` writes them to files")
    return not any(trial.did_not_finish for trial in run.trials if trial.plan.workload != BASELINE)


def _league(run: Run) -> str:
    return render(run, shutil.get_terminal_size().columns)


def _design(info: RunInfo, implementations: Sequence[Implementation], bar: ProgressBar) -> Design:
    profile, workloads = PROFILES[info.profile], plugins.workloads()
    if info.workloads:
        workloads = {name: workloads[name] for name in workloads if name in (RANKED, *info.workloads)}
    return Design(
        implementations=implementations,
        controls=plan.references(implementations, profile, info.reference),
        baselines=_baselines(implementations, bar),
        specs=plugins.specs(),
        workloads=workloads,
        profile=profile,
        seed=info.seed,
    )


def _baselines(implementations: Sequence[Implementation], bar: ProgressBar) -> list[Implementation]:
    relays = [relay(spec) for spec in dict.fromkeys(server.spec for server in implementations)]
    if relays and (reason := why_unavailable(relays[0])):
        bar.print(f"the baseline relay is not measured: {reason}")
        return []
    return relays


def _not_in(done: Sequence[TrialResult], trials: Iterable[TrialPlan]) -> list[TrialPlan]:
    keys = {result.plan.key for result in done}
    return [trial for trial in trials if trial.key not in keys]
