"""`harness check`: conformance."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import click

from harness import results
from harness.commands import options
from harness.commands.checking import SCRIPTS, announce, watcher, write_reports
from harness.conformance.check import Choice, check, exit_status
from harness.model import CheckResult
from harness.report.facts import fact_table
from harness.report.progress import show
from harness.report.verdicts import closing
from harness.zoo.discover import select, specs_named


@click.command("check")
@options.servers
@options.cases
@options.reports
@click.option(
    "--fuzz",
    "fuzz_s",
    metavar="SECONDS",
    type=click.FloatRange(0, 24 * 3600),
    default=0,
    help="Also hold random conversations with each server, for so long.",
)
@click.option("--verbose", "-v", is_flag=True, help="Every case, what it tells, and what the server used.")
def command(
    words: tuple[str, ...],
    everything: bool,
    spec: str | None,
    pythons: tuple[str, ...],
    smoke: bool,
    keyword: str,
    exit_first: bool,
    jobs: int,
    seed: int,
    fuzz_s: float,
    json_file: Path | None,
    junit: Path | None,
    verbose: bool,
) -> int:
    """Run the cases of their spec on servers.

    NAME is a server of the zoo, PATH any executable that takes an address and serves it.
    Exit status: 0 every MUST holds, 1 one fails, 2 wrong usage, 3 it could not be told.
    """
    chosen = select(words, everything=everything, spec=spec, pythons=pythons)
    choice = Choice(keyword=keyword, smoke=smoke, stop_at_failure=exit_first, jobs=jobs, seed=seed, fuzz_s=fuzz_s)
    width = min(shutil.get_terminal_size().columns, 120)
    several = len({one.spec for one in chosen}) > 1
    scripts = results.folder() / SCRIPTS

    async def run() -> list[CheckResult]:
        with show("check") as bar:
            return await check(
                chosen,
                specs_named(spec),
                choice,
                watcher(bar),
                lambda one: announce(bar, one, width=width, scripts=scripts, with_spec=several, verbose=verbose),
            )

    found = anyio.run(run)
    if len(found) > 1:
        if table := fact_table(found, width):
            print(f"\n{table}\n")
        print(closing(found))
    write_reports(found, json_file, junit)
    return exit_status(found)
