"""`harness run`: checks servers, measures those that passed, and prints the league table; writes results/RUN/."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import anyio
import click

from harness import plugins
from harness.commands import completion, options, sandboxing
from harness.commands.checking import SCRIPTS, announce, cut_short, watcher, why_unbuilt, write_reports
from harness.commands.measure import measure, preview, preview_servers
from harness.commands.measuring import Clock, new_run, reopen
from harness.conformance.check import CheckOptions, check, exit_status
from harness.errors import UsageError
from harness.model import CheckResult, Implementation, Verdict
from harness.processes.deadlines import move_on_after_active
from harness.report.progress import progress_bar
from harness.results import read
from harness.zoo.discover import select, specs_named, why_unavailable
from harness.zoo.neighbours import neighbours

NEIGHBOURS = 3  # servers beside which a single one is ranked


@click.command(
    "run",
    epilog=options.examples(
        "harness run --all --smoke --within 10m",
        "harness run asyncio threads go --spec broadcast --profile full",
        "harness run --resume",
    ),
)
@options.servers
@options.measured
@options.reports
@options.jobs(more=options.MORE_WHEN_IDLE)
@options.smoke
@sandboxing.option
@click.option(
    "--resume",
    metavar="[RUN]",
    is_flag=False,
    flag_value="",
    default=None,
    shell_complete=completion.runs,
    help="Continue an interrupted run, by default the latest.",
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
    sandbox_setting: str,
    json_file: Path | None,
    junit: Path | None,
    jobs: int,
    resume: str | None,
) -> int:
    """Check servers, load those that pass, and rank them.

    A single NAME is ranked beside a few servers of the nearest style. Prints the league table. Everything measured is
    in results/RUN/, and results/latest is the newest run.

    Exit status: 0 every MUST holds, 1 a MUST fails (also under load), 2 wrong usage, 3 no verdict was possible.
    """
    clock = Clock.of(for_s, within_s)
    if resume is None:
        chosen = select(words, everything=everything, spec=spec, pythons=pythons)
        if len({server.name for server in chosen}) == 1:
            chosen = _with_neighbours(chosen)
        sandboxing.decide(sandbox_setting, chosen)
        store, done = new_run(chosen, profile, reference, workloads, smoke=smoke)
    elif everything or spec or pythons or reference or workloads or smoke or (words and resume):
        raise UsageError("--resume takes the servers and options from the run that it continues: name nothing else")
    else:
        store, done = reopen(resume or (words[0] if words else None))
        sandboxing.decide("on" if store.info.sandbox else "off", store.info.implementations)
    chosen = list(store.info.implementations)
    width = min(shutil.get_terminal_size().columns, 120)
    several = len({server.spec for server in chosen}) > 1
    print(f"results go to {store.path}", flush=True)

    async def run() -> int:
        results: list[CheckResult] = []

        async def check_some(some: Sequence[Implementation]) -> None:
            with progress_bar("check") as bar:

                def finished(result: CheckResult) -> None:
                    results.append(result)
                    announce(bar, result, width=width, scripts=store.path / SCRIPTS, with_spec=several)

                await check(
                    some,
                    specs_named(spec),
                    CheckOptions(smoke=store.info.smoke, jobs=jobs, seed=store.info.seed % 10**6),
                    watcher(bar, store.add_case),
                    finished,
                    done.cases,
                )

        def passed() -> list[Implementation]:
            names = {(result.spec, result.implementation) for result in results if result.verdict is Verdict.PASS}
            return [server for server in chosen if (server.spec, server.name) in names]

        async with move_on_after_active(clock.left_s) as time_left:
            first = preview_servers(chosen) if clock.is_limited and not done.blocks else []
            if first:
                await check_some(first)
                await preview(store, passed())
            await check_some([server for server in chosen if server not in first])
        if (unbuilt := why_unbuilt(results)) != store.info.unbuilt:
            store.set_unbuilt(unbuilt)
        if time_left.cancelled_caught:
            print(f"time is up: {len(results)} of {len(chosen)} servers checked; `harness run --resume` continues")
        written = write_reports(results, json_file, junit)
        if len(results) < len(chosen):
            return exit_status(results) or 3
        all_finished = await measure(store, passed(), done, clock)
        return exit_status(results) or (0 if all_finished else 1) or written

    with cut_short(lambda: read(store.path).cases):
        return anyio.run(run)


def _with_neighbours(servers: Sequence[Implementation]) -> list[Implementation]:
    """Return a server, in each spec that it serves, and those of the nearest style that can run here; say which."""
    chosen, known = list(servers), plugins.implementations()
    for server in servers:
        near = neighbours(server, known, len(known))
        if beside := list(islice((each for each in near if not why_unavailable(each)), NEIGHBOURS)):
            chosen += beside
            names = ", ".join(f"{each.name} ({each.style}, {each.language})" for each in beside)
            print(f"{server.name} ({server.spec}) is ranked beside its neighbours by style: {names}")
    return chosen
