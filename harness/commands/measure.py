"""Measures the servers of a run: the blocks of the league first, then the trials of other workloads."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import msgspec

from harness import plugins, results
from harness.blocks import BlockResult, Role
from harness.commands.measuring import Clock
from harness.commands.parts import only
from harness.errors import HarnessError
from harness.league import plan
from harness.league.baseline_relay import relay
from harness.league.bench import TrialRunner, bench
from harness.league.comparisons import is_look
from harness.league.inference import fewest_blocks
from harness.league.measures import floods
from harness.league.messages import BlockRequest
from harness.league.profiles import PROFILES, Profile
from harness.league.report_card import leagues
from harness.league.rows import failure_of, why_never_counted
from harness.league.run_blocks import run_blocks
from harness.league.schedule import Design, Schedule, choose_controls, fitting_idle_clients, servers_at_once
from harness.model import Implementation, Run, RunInfo, TrialPlan, TrialResult, Verdict
from harness.plugins import ReportView
from harness.processes import sandbox
from harness.report.columns import table
from harness.report.formats.terminal import render
from harness.report.progress import ProgressBar, progress_bar
from harness.results import Store
from harness.zoo import build
from harness.zoo.discover import why_unavailable

if TYPE_CHECKING:  # Dask is an extra, and takes half a second to import
    from harness.cluster.cluster import Cluster

Runner = Callable[
    [Iterable[BlockRequest], Callable[[BlockRequest], None], Callable[[BlockResult], None]], Awaitable[None]
]
PREVIEWED = 16  # servers that are measured before the others are checked, or even built
SOON_CHECKED = 48  # servers that are built: the first table of all of them comes soon enough


def preview_servers(implementations: Sequence[Implementation]) -> list[Implementation]:
    """Return some servers of the first spec that need no build; none if all will have been checked soon anyway."""
    if len(implementations) <= PREVIEWED:
        return []
    ready = [server for server in implementations if not why_unavailable(server) and build.is_built(server)]
    if len(ready) == len(implementations) <= SOON_CHECKED:
        return []
    return [server for server in islice(ready, PREVIEWED) if server.spec == implementations[0].spec]


async def preview(store: Store, servers: Sequence[Implementation]) -> None:
    """Rank these servers by a few short blocks, so that there is something to read; nothing of it is kept."""
    blocks: list[BlockResult] = []
    profile = replace(PROFILES[store.info.profile], blocks=fewest_blocks(), rounds=1, idle_clients=0)
    design = _design(store.info, servers, replace(profile, slices=floods(profile.slices)))
    with progress_bar("load") as bar:
        bar.expect(fewest_blocks())
        await _run_schedule(
            Schedule(replace(design, controls={}, baselines={}, references=()), blocks), Clock(0), bar, blocks.append
        )
    info = msgspec.structs.replace(store.info, implementations=tuple(servers))
    run = Run(info, results.read(store.path).cases, blocks=blocks)
    print(f"\na preview of servers that need no build, from a few short slices:\n\n{_table(run)}", flush=True)


async def measure(
    store: Store, servers: Sequence[Implementation], so_far: Run, clock: Clock, cluster: Cluster | None = None
) -> Verdict:
    """Make the missing blocks and trials of a run and print the league; return whether all servers finished.

    UNKNOWN means that one did not, and that the machine may have caused it.

    The league is printed at each look at its results as well, after 8, 16, 32 blocks of a spec.

    Args:
        store: the run.
        servers: those to measure.
        so_far: what the run has already.
        clock: how long it may take.
        cluster: where blocks run; None for this machine.
    """
    if sandbox.is_on():  # where servers run, no build could reach a registry; a failure is reported there
        for server in servers:
            await build.try_build(server)
    profile, blocks, trials = PROFILES[store.info.profile], list(so_far.blocks), list(so_far.trials)
    with progress_bar("load") as bar:
        design = _design(store.info, servers, profile)
        if cluster:
            at_once, idle_clients = await cluster.fitting(profile.clients, profile.idle_clients)
            profile = replace(profile, idle_clients=idle_clients)
            design = replace(design, profile=profile, at_once=at_once, machines=cluster.workers)
        if servers and not design.baselines:
            bar.print(f"the baseline relay is not measured: {why_unavailable(relay(servers[0].spec))}")

        def ended(result: BlockResult) -> None:
            store.add_block(result)
            blocks.append(result)
            if cluster and cluster.machines.keys() - store.info.machines.keys():
                store.add_machines(cluster.machines, store.info.unavailable)
            for name, reason in _by_name(result, result.failed).items():
                bar.print(f"{name}: did not finish: {reason}")
            disturbed = {number: why for number, why in result.disturbed.items() if number not in result.failed}
            for name, reason in _by_name(result, disturbed).items():
                bar.print(f"{name} does not count in block {result.number + 1}: {reason}")
            if is_look(count := sum(block.spec == result.spec for block in blocks)):
                part = only(results.read(store.path), result.spec)
                bar.print(f"\nafter {count} blocks:\n\n{_table(part)}")

        runner = cluster.run_blocks if cluster else run_blocks
        await _run_schedule(Schedule(design, blocks), clock, bar, ended, runner)
        if servers and not blocks:
            raise HarnessError("no block fits into the time that is left: give it more (`--within`)")
        await run_trials(store, _without_failed(servers, blocks), trials, clock, bar)
    run = results.read(store.path)
    print(f"\n{render(run, ReportView(width=shutil.get_terminal_size().columns))}", end="")
    print(
        "\n`harness report --wide` shows everything, `--by MEASURE` orders by another measure, `--plots` draws curves"
    )
    return _verdict(run, servers)


def _by_name(block: BlockResult, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return reasons by the names of servers; a server and its A/A control have one."""
    return {block.entries[int(number)].name: reason for number, reason in reasons.items()}


def _verdict(run: Run, servers: Sequence[Implementation]) -> Verdict:
    """Return PASS if all servers finished, FAIL if one did not, UNKNOWN if the machine may have caused that."""
    verdicts = {Verdict.PASS}
    for block in run.blocks:
        others = Role.BASELINE, Role.REFERENCE
        failed = {number for number in block.failed if block.entries[int(number)].role not in others}
        verdicts |= {Verdict.UNKNOWN if number in block.disturbed else Verdict.FAIL for number in failed}
    for trial in run.trials:
        if trial.did_not_finish:
            verdicts.add(Verdict.UNKNOWN if trial.disturbed else Verdict.FAIL)
    for server in servers:
        if why_never_counted([block for block in run.blocks if block.spec == server.spec], server.name):
            verdicts.add(Verdict.UNKNOWN)
    return next(verdict for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS) if verdict in verdicts)


def _without_failed(servers: Sequence[Implementation], blocks: Sequence[BlockResult]) -> list[Implementation]:
    """Return the servers that are not out of the league."""
    return [
        server
        for server in servers
        if not failure_of([block for block in blocks if block.spec == server.spec], server.name)
    ]


async def _run_schedule(
    schedule: Schedule,
    clock: Clock,
    bar: ProgressBar,
    ended: Callable[[BlockResult], None],
    runner: Runner = run_blocks,
) -> None:
    """Run the blocks of a schedule until it has no more.

    Args:
        schedule: decides which block comes next.
        clock: how long it may take.
        bar: shows what runs.
        ended: called with each result; the schedule must know it afterwards.
        runner: runs the blocks.
    """

    def requests() -> Iterator[BlockRequest]:
        while request := schedule.next_block(clock.left_s, is_extended=clock.is_extended):
            yield request

    def starting(request: BlockRequest) -> None:
        bar.show(f"{request.spec}: block {request.number + 1}, {len(request.entries)} servers in turns")

    def finish(result: BlockResult) -> None:
        ended(result)
        bar.advance()

    await runner(requests(), starting, finish)


async def run_trials(
    store: Store,
    servers: Sequence[Implementation],
    done: list[TrialResult],
    clock: Clock,
    bar: ProgressBar,
    *,
    changes: Mapping[str, float] | None = None,
    runner: TrialRunner | None = None,
) -> None:
    """Run the trials of the workloads beside the league.

    Args:
        store: the run.
        servers: those to measure.
        done: the results so far; new ones are added.
        clock: how long it may take.
        bar: shows what runs.
        changes: parameters of the workloads in the place of those of the profile.
        runner: runs a trial; None for a worker process on this machine.
    """
    profile, known = PROFILES[store.info.profile], plugins.workloads()
    names = store.info.workloads or (known if profile.other_workloads else ())
    workloads = [known[name] for name in known if name in names]

    def starting(trial: TrialPlan) -> None:
        step = f", step {trial.probe + 1}" if trial.probe else ""
        clients = f", {trial.parameters.get('clients', 0):g} clients" if runner else ""
        bar.show(f"{trial.implementation}: {trial.workload}{clients}, block {trial.block + 1}{step}")

    def ended(result: TrialResult) -> None:
        store.add_trial(result)
        bar.advance()
        trial = f"{result.plan.implementation}: {result.plan.workload}"
        if result.disturbed:
            bar.print(f"{trial} does not count: {result.disturbed}")
        if result.did_not_finish:
            bar.print(f"{trial} did not finish: {result.did_not_finish}")

    trials = plan.planned(servers, workloads, profile, plugins.specs(), done, seed=store.info.seed, changes=changes)
    in_time = takewhile(lambda _: clock.left_s > 0, trials)
    await bench(in_time, servers, done, starting, ended, profile.attempts, runner)


def _table(run: Run) -> str:
    width = shutil.get_terminal_size().columns
    return "\n\n".join(f"{league.spec}\n{table(league, width=width, style='simple')}" for league in leagues(run))


def _design(info: RunInfo, servers: Sequence[Implementation], profile: Profile) -> Design:
    specs = dict.fromkeys(server.spec for server in servers)
    profile = replace(profile, idle_clients=fitting_idle_clients(profile.clients, profile.idle_clients))
    relays = {spec: relay(spec) for spec in specs}
    return Design(
        servers=servers,
        controls=choose_controls(servers, profile, info.reference),
        baselines={spec: each for spec, each in relays.items() if not why_unavailable(each)},
        profile=profile,
        seed=info.seed,
        at_once=servers_at_once(profile.clients, profile.idle_clients),
        references=[each for each in info.references if each.spec in specs],
    )
