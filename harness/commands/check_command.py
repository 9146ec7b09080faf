"""`harness check`: runs the cases of their specs on servers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import click

from harness import results
from harness.commands import estimate, options, sandboxing
from harness.commands.checking import SCRIPTS, announce, cut_short, watcher, write_reports
from harness.commands.watching import watch
from harness.conformance.check import CheckOptions, check, exit_status
from harness.errors import UsageError
from harness.model import CaseResult, CheckResult, Implementation
from harness.processes.disturbances import MachineWatch
from harness.report.facts import fact_table
from harness.report.progress import progress_bar
from harness.report.verdicts import check_summary
from harness.zoo.discover import select, specs_named


@click.command(
    "check",
    epilog=options.examples(
        "harness check asyncio threads",
        "harness check ./my-server --spec channels",
        "harness check --all --smoke",
        "harness check asyncio -k 'slow or order' -v",
        "harness check ./my-server --watch",
    ),
)
@options.servers
@options.cases
@options.reports
@click.option(
    "--fuzz",
    "fuzz_s",
    metavar="SECONDS",
    type=click.FloatRange(0, 24 * 3600),
    default=0,
    help="Also hold random conversations with each server, for this long. Needs zillions[fuzz].",
)
@sandboxing.option
@click.option("--full", is_flag=True, help="Also run the cases that take over a minute: timers of up to 90 s.")
@click.option(
    "--watch",
    "is_watching",
    is_flag=True,
    help="Check one server again whenever its files change: first what failed before and the smoke cases, then the "
    "others. Needs zillions[watch].",
)
@click.option("--verbose", "-v", is_flag=True, help="Show every case, what it reports, and what the server used.")
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
    sandbox_setting: str,
    full: bool,
    is_watching: bool,
    json_file: Path | None,
    junit: Path | None,
    verbose: bool,
) -> int:
    """Check whether servers do what their spec says.

    Runs the cases of the spec on each server. NAME is a server of the zoo (see `harness list`), PATH any executable
    that takes one argument, an address, and serves it.

    Exit status: 0 every MUST holds, 1 a MUST fails, 2 wrong usage, 3 no verdict was possible.
    """
    chosen = select(words, everything=everything, spec=spec, pythons=pythons)
    if smoke and full:
        raise click.UsageError("--smoke and --full exclude each other")
    sandboxing.decide(sandbox_setting, chosen)
    choice = CheckOptions(
        keyword=keyword,
        smoke=smoke,
        full=full,
        stop_at_failure=exit_first,
        jobs=jobs,
        seed=seed,
        fuzz_s=fuzz_s,
    )
    if is_watching:
        if fuzz_s or full or exit_first or json_file or junit or verbose:
            raise click.UsageError("--watch excludes --fuzz, --full, -x, --json, --junit and -v")
        return watch(lambda: _only(select(words, everything=everything, spec=spec, pythons=pythons)), choice)
    width = min(shutil.get_terminal_size().columns, 120)
    several = len({server.spec for server in chosen}) > 1
    scripts = results.folder() / SCRIPTS
    if several and spec is None and not keyword:
        print(estimate.announcement(chosen, specs_named(None), jobs=jobs, smoke=smoke), flush=True)

    cases: list[CaseResult] = []
    finished: list[CheckResult] = []

    async def run() -> list[CheckResult]:
        with progress_bar("check") as bar:

            def server_finished(result: CheckResult) -> None:
                finished.append(result)
                announce(bar, result, width=width, scripts=scripts, with_spec=several, verbose=verbose)

            return await check(chosen, specs_named(spec), choice, watcher(bar, cases.append), server_finished)

    written, machine, begun = 0, MachineWatch(), time.monotonic()
    try:
        with cut_short(lambda: cases):
            finished = anyio.run(run)
            if note := machine.throttling(time.monotonic() - begun):
                print(f"{note}; no deadline of a server counts that")
            if len(finished) > 1:
                if table := fact_table(finished, width):
                    print(f"\n{table}\n")
                print(check_summary(finished))
    finally:
        if finished:  # also those of a check that was interrupted
            written = write_reports(finished, json_file, junit)
    if not (keyword or exit_first or fuzz_s or full):
        estimate.record(finished, smoke=smoke)
    return exit_status(finished) or written


def _only(servers: Sequence[Implementation]) -> Implementation:
    """Return the one server that was selected; raise UsageError if there are several."""
    if len(servers) == 1:
        return servers[0]
    names = ", ".join(dict.fromkeys(server.name for server in servers))
    specs = ", ".join(dict.fromkeys(server.spec for server in servers))
    raise UsageError(f"--watch takes one server of one spec, and these are {names} of {specs}: choose with --spec NAME")
