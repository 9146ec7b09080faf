"""`harness run`: check, then bench of those that passed, then the league table; all of it in results/RUN/."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import click

from harness.commands import options
from harness.commands.checking import SCRIPTS, announce, watcher, write_reports
from harness.commands.measuring import Clock, look, looked_at_first, measure, new_run, reopened
from harness.conformance.check import Choice, check, exit_status
from harness.errors import UsageError
from harness.model import CheckResult, Implementation, Verdict
from harness.report.progress import show
from harness.zoo.discover import select, specs_named


@click.command("run")
@options.servers
@options.measured
@options.reports
@options.jobs()
@click.option("--smoke", is_flag=True, help="Check with the few cases that tell quickly.")
@click.option(
    "--resume",
    metavar="[RUN]",
    is_flag=False,
    flag_value="",
    default=None,
    help="Go on with a run that was interrupted, by default the latest.",
)
def command(
    words: tuple[str, ...],
    everything: bool,
    spec: str | None,
    pythons: tuple[str, ...],
    profile: str,
    workloads: tuple[str, ...],
    reference: str,
    for_s: float,
    within_s: float,
    smoke: bool,
    json_file: Path | None,
    junit: Path | None,
    jobs: int,
    resume: str | None,
) -> int:
    """Check servers, load those that passed, and print the league table.

    Exit status: 0 every MUST holds, 1 one fails (also under load), 2 wrong usage, 3 it could not be told.
    """
    clock = Clock.of(for_s, within_s)
    if resume is None:
        chosen = select(words, everything=everything, spec=spec, pythons=pythons)
        store, done = new_run(chosen, profile, reference, workloads, smoke=smoke)
    elif everything or spec or pythons or reference or workloads or smoke or (words and resume):
        raise UsageError("--resume takes the servers from the run that it goes on with: name nothing else")
    else:
        store, done = reopened(resume or (words[0] if words else None))
    chosen = list(store.info.implementations)
    width = min(shutil.get_terminal_size().columns, 120)
    several = len({one.spec for one in chosen}) > 1
    print(f"results go to {store.path}", flush=True)

    async def run() -> int:
        results: list[CheckResult] = []

        async def check_some(some: Sequence[Implementation]) -> None:
            with show("check") as bar:

                def finished(one: CheckResult) -> None:
                    results.append(one)
                    announce(bar, one, width=width, scripts=store.path / SCRIPTS, with_spec=several)

                await check(
                    some,
                    specs_named(spec),
                    Choice(smoke=store.info.smoke, jobs=jobs, seed=store.info.seed % 10**6),
                    watcher(bar, store.add_case),
                    finished,
                    done.cases,
                )

        def passed() -> list[Implementation]:
            names = {(one.spec, one.implementation) for one in results if one.verdict is Verdict.PASS}
            return [one for one in chosen if (one.spec, one.name) in names]

        with anyio.move_on_after(clock.left_s) as time_left:
            first = looked_at_first(chosen) if clock.is_limited and not done.trials else []
            if first:
                await check_some(first)
                await look(store, passed())
            await check_some([one for one in chosen if one not in first])
        if time_left.cancelled_caught:
            print(f"time is over: {len(results)} of {len(chosen)} checked; --resume goes on")
        write_reports(results, json_file, junit)
        if len(results) < len(chosen):
            return exit_status(results) or 3
        all_finished = await measure(store, passed(), done.trials, clock)
        return exit_status(results) or (0 if all_finished else 1)

    return anyio.run(run)
