"""`harness bench`: the load tests alone, on this machine or from several."""

from __future__ import annotations

import anyio
import click

from harness.commands import options, sandboxing, spreading
from harness.commands.measure import measure
from harness.commands.measuring import Clock, new_run
from harness.errors import UsageError
from harness.model import Verdict
from harness.network import Network
from harness.zoo.discover import select


@click.command(
    "bench",
    epilog=options.examples(
        "harness bench asyncio threads --profile smoke",
        "harness bench --all --spec broadcast --within 30m",
        "harness bench asyncio --cluster tcp://HOST:8786 --network delay=20ms",
    ),
)
@options.servers
@options.measured
@spreading.options
@sandboxing.option
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
    where: str,
    clients: int | None,
    parameters: dict[str, float],
    network: str,
    sandbox_setting: str,
) -> int:
    """Load servers without checking them first, and rank them.

    Prints the league table, and writes the run to results/. With --cluster, each server runs on one machine, and the
    load comes from all the others; no rank depends on its figures.

    Exit status: 0 all servers finished, 2 wrong usage, 3 one did not finish.
    """
    clock = Clock.of(for_s, within_s)
    if where:
        if sandbox_setting == "on" or reference:
            raise UsageError("--cluster loads servers without a sandbox and without A/A controls")
        sandbox_setting, changes = "off", {**parameters, **({"clients": clients} if clients else {})}
        workloads = tuple(workload.name for workload in spreading.workloads_of(workloads, profile, changes))
    else:
        spreading.refuse_without_cluster()
    wanted = Network.parse(network) if network else None
    chosen = select(words, everything=everything, spec=spec, pythons=pythons)
    sandboxing.decide(sandbox_setting, chosen)
    store, run = new_run(chosen, profile, reference, workloads)
    print(f"results go to {store.path}", flush=True)
    if where:
        return 0 if anyio.run(spreading.load_from_cluster, where, store, clock, wanted, changes) else 3
    info = store.info
    available = [each for each in info.implementations if each.key not in info.unavailable]
    return 0 if anyio.run(measure, store, available, run, clock) is Verdict.PASS else 3
