"""`harness bench`: the stress tests alone."""

from __future__ import annotations

import time

import anyio
import click

from harness.commands import options
from harness.commands.measuring import measure, new_run
from harness.discover import select


@click.command("bench")
@options.servers
@options.measured
def command(
    words: tuple[str, ...],
    everything: bool,
    spec: str | None,
    pythons: tuple[str, ...],
    profile: str,
    reference: str,
    for_s: float,
) -> int:
    """Load servers, without a check before, and print the league table.

    Exit status: 0 all finished, 2 wrong usage, 3 one did not finish.
    """
    until_s = time.monotonic() + for_s
    store, _ = new_run(select(words, everything=everything, spec=spec, pythons=pythons), profile, reference)
    print(f"results go to {store.path}", flush=True)
    able = [one for one in store.info.implementations if f"{one.spec}/{one.name}" not in store.info.unavailable]
    return 0 if anyio.run(measure, store, able, (), until_s) else 3
