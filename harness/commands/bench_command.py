"""`harness bench`: the load tests alone."""

from __future__ import annotations

import anyio
import click

from harness.commands import options, sandboxing
from harness.commands.measure import measure
from harness.commands.measuring import Clock, new_run
from harness.zoo.discover import select


@click.command(
    "bench",
    epilog=options.examples(
        "harness bench asyncio threads --profile smoke",
        "harness bench --all --spec broadcast --within 30m",
    ),
)
@options.servers
@options.measured
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
    sandbox_setting: str,
) -> int:
    """Load servers without checking them first, and rank them.

    Prints the league table, and writes the run to results/.

    Exit status: 0 all servers finished, 2 wrong usage, 3 one did not finish.
    """
    clock = Clock.of(for_s, within_s)
    chosen = select(words, everything=everything, spec=spec, pythons=pythons)
    sandboxing.decide(sandbox_setting, chosen)
    store, run = new_run(chosen, profile, reference, workloads)
    print(f"results go to {store.path}", flush=True)
    info = store.info
    available = [each for each in info.implementations if f"{each.spec}/{each.name}" not in info.unavailable]
    return 0 if anyio.run(measure, store, available, run, clock) else 3
