"""`harness run`: checks servers, measures those that passed, and prints the league table; writes results/RUN/."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from harness import plugins
from harness.commands import completion, options, sandboxing
from harness.commands.checking import SCRIPTS, announce, cut_short, watcher, why_unbuilt, write_reports
from harness.commands.measure import measure, preview, preview_servers
from harness.commands.measuring import Clock, new_run, reopen
from harness.conformance.check import CheckOptions, check, exit_status
from harness.errors import UsageError
from harness.extras import require
from harness.league.profiles import PROFILES
from harness.model import CaseResult, CheckResult, Implementation, RunInfo, Verdict
from harness.processes.deadlines import move_on_after_active
from harness.report.progress import progress_bar
from harness.results import Store
from harness.zoo.discover import select, specs_named, why_unavailable
from harness.zoo.neighbours import neighbours

if TYPE_CHECKING:  # Dask is an extra
    from harness.cluster.cluster import Cluster

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
@click.option("--alone", "is_alone", is_flag=True, help="Do not add neighbours to a single NAME.")
@click.option(
    "--cluster",
    "where",
    metavar="ADDRESS",
    default="",
    help="Check and load on the machines of a Dask cluster: tcp://HOST:PORT, or local:N for N workers on this machine. "
    "Needs zillions[cluster].",
)
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
    is_alone: bool,
    where: str,
    json_file: Path | None,
    junit: Path | None,
    jobs: int,
    resume: str | None,
) -> int:
    """Check servers, load those that pass, and rank them.

    A single NAME is ranked beside a few servers of the nearest style, unless --alone is given. Prints the league
    table. Everything measured is in results/RUN/, and results/latest is the newest run.

    Exit status: 0 every MUST holds, 1 a MUST fails (also under load), 2 wrong usage, 3 no verdict was possible.
    """
    clock = Clock.of(for_s, within_s)
    if resume is None:
        chosen = select(words, everything=everything, spec=spec, pythons=pythons)
        if not is_alone and len({server.name for server in chosen}) == 1:
            chosen = _with_neighbours(chosen)
        sandboxing.decide(sandbox_setting, chosen)
        store, done = new_run(chosen, profile, reference, workloads, smoke=smoke, references=everything)
    else:
        if words and resume:
            raise UsageError("--resume takes the servers from the run that it continues: give no others")
        options.refuse_options(
            *("everything", "spec", "pythons", "profile", "workloads", "reference", "smoke", "sandbox_setting"),
            "is_alone",
            because="cannot be given with --resume, which takes it from the run that it continues",
        )
        store, done = reopen(resume or (words[0] if words else None))
        sandboxing.decide("on" if store.info.sandbox else "off", store.info.implementations)
    chosen = list(store.info.implementations)
    width = min(shutil.get_terminal_size().columns, 120)
    several = len({server.spec for server in chosen}) > 1
    if where:
        _refuse_on_cluster(store.info)
    print(f"results go to {store.path}", flush=True)

    cases = list(done.cases)  # also those that there is no room for on the disk

    def keep(result: CaseResult) -> None:
        cases.append(result)
        store.add_case(result)

    async def run() -> int:
        async with _cluster(where, store) as cluster:
            return await run_on(cluster)

    async def run_on(cluster: Cluster | None) -> int:
        results: list[CheckResult] = []

        async def check_some(some: Sequence[Implementation]) -> None:
            with progress_bar("check") as bar:

                def finished(result: CheckResult) -> None:
                    results.append(result)
                    announce(bar, result, width=width, scripts=store.path / SCRIPTS, with_spec=several)

                how = CheckOptions(smoke=store.info.smoke, jobs=jobs, seed=store.info.seed % 10**6)
                watching = watcher(bar, keep)
                if cluster:
                    await cluster.check(some, how, watching, finished, done.cases)
                else:
                    await check(some, specs_named(spec), how, watching, finished, done.cases)

        def passed() -> list[Implementation]:
            names = {(result.spec, result.implementation) for result in results if result.verdict is Verdict.PASS}
            return [server for server in chosen if (server.spec, server.name) in names]

        async with move_on_after_active(clock.left_s) as time_left:
            first = preview_servers(chosen) if clock.is_limited and not done.blocks and not cluster else []
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
        finished = await measure(store, passed(), done, clock, cluster)
        return exit_status(results) or {Verdict.FAIL: 1, Verdict.UNKNOWN: 3}.get(finished, written)

    with cut_short(lambda: cases):
        return anyio.run(run)


@asynccontextmanager
async def _cluster(where: str, store: Store) -> AsyncIterator[Cluster | None]:
    """Connect to a cluster, if one is wanted, and write down its machines."""
    if not where:
        yield None
        return
    require("distributed", "cluster")
    from harness.cluster.cluster import open_cluster

    async with open_cluster(where, store.info.implementations) as cluster:
        store.add_machines(cluster.machines, cluster.unavailable)
        for remark in cluster.remarks:
            print(remark, flush=True)
        yield cluster


def _refuse_on_cluster(info: RunInfo) -> None:
    """Raise UsageError for what runs on one machine only."""
    if info.sandbox:
        raise UsageError("--cluster runs no sandboxes: use machines that hold nothing of value, and --sandbox off")
    if info.workloads or PROFILES[info.profile].other_workloads:
        raise UsageError("--cluster makes only the blocks of the league: use --profile quick, without --workload")


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
