"""`harness bench --cluster`: loads servers on one machine of a cluster from all the others."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence

import click

from harness import plugins, results
from harness.commands.measure import run_trials
from harness.commands.measuring import Clock, workloads_named
from harness.commands.options import Command, refuse_options
from harness.errors import UsageError, nearest
from harness.extras import require
from harness.kinds import Workload
from harness.model import TrialResult
from harness.network import EXAMPLE, Network
from harness.plugins import ReportView
from harness.report.formats.terminal import render
from harness.report.progress import progress_bar
from harness.results import Store

WORKLOADS = ("flood", "paced")


def options(command: Command) -> Command:
    """--cluster, --clients, --parameter, --network."""
    command = click.option(
        "--network",
        metavar="CONDITIONS",
        default="",
        show_default="as it is",
        help=f"Set the network between server and load, by tc and netem: {EXAMPLE}, or a part of it. Needs --cluster.",
    )(command)
    command = click.option(
        "--parameter",
        "parameters",
        metavar="NAME=N,...",
        callback=_numbers,
        default="",
        help="Change parameters of the workloads, e.g. rate_per_s=20,seconds=10. Needs --cluster.",
    )(command)
    command = click.option(
        "--clients",
        metavar="N",
        type=click.IntRange(1),
        default=None,
        show_default="those of the workload",
        help="Load with this many clients, over all machines; scheduled rates are scaled to the same number of "
        "deliveries. Needs --cluster.",
    )(command)
    return click.option(
        "--cluster",
        "where",
        metavar="ADDRESS",
        default="",
        help="Load each server from the other machines of a Dask cluster, by the workloads of --workload "
        f"({', '.join(WORKLOADS)}): tcp://HOST:PORT, or local:N for N workers on this machine. "
        "Needs zillions[cluster].",
    )(command)


def _numbers(context: click.Context, option: click.Parameter, value: str) -> dict[str, float]:
    """Return the numbers of "rate_per_s=20,seconds=10"; raise BadParameter where they are malformed."""
    found = {}
    for word in filter(None, value.split(",")):
        match = re.fullmatch(r"\s*(\w+)=(\d+(?:\.\d+)?)\s*", word)
        if not match:
            raise click.BadParameter(f"{word!r} is not NAME=N", context, option)
        found[match[1]] = float(match[2])
    return found


def refuse_without_cluster() -> None:
    """Raise UsageError if an option was given that only a load of several machines has."""
    reason = "is for a load that comes from several machines: it needs --cluster"
    refuse_options("clients", "parameters", "network", because=reason)


def workloads_of(names: Sequence[str], profile: str, changes: Mapping[str, float]) -> list[Workload]:
    """Return the workloads that make the load.

    Args:
        names: those that the user wants; () for WORKLOADS.
        profile: a name in `PROFILES`.
        changes: parameters that the user has changed.

    Raises:
        UsageError: one of them cannot come from several machines, or none has a parameter that was changed.
    """
    chosen = workloads_named(names or WORKLOADS)
    for workload in chosen:
        if not workload.is_splittable:
            possible = ", ".join(name for name, each in plugins.workloads().items() if each.is_splittable)
            raise UsageError(f"{workload.name} cannot come from several machines; these can: {possible}")
        if profile not in workload.profiles:
            raise UsageError(f"{workload.name} has no profile {profile}: use --profile {', '.join(workload.profiles)}")
    names_of = dict.fromkeys(name for workload in chosen for name in workload.profiles[profile])
    for name in changes:
        if name not in names_of:
            raise UsageError(f'no workload has a parameter "{name}"{nearest(name, names_of)}: {", ".join(names_of)}')
    return chosen


async def load_from_cluster(
    where: str, store: Store, clock: Clock, network: Network | None, changes: Mapping[str, float]
) -> bool:
    """Load the servers of a run from several machines and print the figures; return whether all have finished.

    Args:
        where: the address of the cluster.
        store: the run, whose workloads make the load.
        clock: how long it may take.
        network: what to set between the machines; None to leave it as it is.
        changes: parameters of the workloads in the place of those of the profile.
    """
    require("distributed", "cluster")
    from harness.cluster.cluster import open_cluster

    info, done = store.info, list[TrialResult]()
    async with open_cluster(where, info.implementations) as cluster:
        store.add_machines(cluster.machines, cluster.unavailable)
        servers = [each for each in info.implementations if each.key not in cluster.unavailable]
        with progress_bar("load") as bar:
            for remark in cluster.remarks:
                bar.print(remark)
            async with cluster.spread_load(network) as load:
                await run_trials(store, servers, done, clock, bar, changes=changes, runner=load.run_trial)
    print(f"\n{render(results.read(store.path), ReportView(width=shutil.get_terminal_size().columns))}", end="")
    return bool(done) and not any(trial.did_not_finish for trial in done)
