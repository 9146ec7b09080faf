"""`harness bench`: the stress tests alone."""

from __future__ import annotations

import anyio
import click

from harness.commands import options
from harness.commands.measuring import Clock, measure, new_run
from harness.zoo.discover import select


@click.command("bench")
@options.servers
@options.measured
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
) -> int:
    """Load servers, without a check before, and print the league table.

    Exit status: 0 all finished, 2 wrong usage, 3 one did not finish.
    """
    clock = Clock.of(for_s, within_s)
    store, _ = new_run(select(words, everything=everything, spec=spec, pythons=pythons), profile, reference, workloads)
    print(f"results go to {store.path}", flush=True)
    able = [one for one in store.info.implementations if f"{one.spec}/{one.name}" not in store.info.unavailable]
    return 0 if anyio.run(measure, store, able, (), clock) else 3
