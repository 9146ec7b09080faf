"""`harness selftest`: tests the cases themselves."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import anyio
import click

from harness.commands import completion, options
from harness.commands.checking import watcher, write_text
from harness.conformance.selftest import KillMatrix, known_servers, selftest
from harness.errors import UsageError, nearest
from harness.records import to_pretty_json
from harness.report.matrix import matrix_as_json, matrix_summary, matrix_table
from harness.report.progress import progress_bar
from harness.zoo.discover import specs_named

JOBS = 5 * (os.cpu_count() or 1)  # most cases wait for messages that never come, or come late


@click.command(
    "selftest",
    epilog=options.examples(
        "harness selftest --spec broadcast", "harness selftest sender_left_out address_in_use_ignored"
    ),
)
@click.argument("names", metavar="[SERVER]...", nargs=-1)
@click.option("--spec", metavar="NAME", shell_complete=completion.specs, help="Test only the cases of this spec.")
@click.option("--full", is_flag=True, help="Run all cases on every mutant, and on all conforming servers.")
@options.jobs(default=JOBS, rule="five times the number of cores")
@click.option(
    "--seed",
    metavar="N",
    type=int,
    default=1,
    show_default=True,
    help="Random seed; printed with the matrix.",
)
@click.option("--json", "json_file", metavar="FILE", type=options.FILE, help="Write the matrix to FILE as JSON.")
def command(names: tuple[str, ...], spec: str | None, full: bool, jobs: int, seed: int, json_file: Path | None) -> int:
    """Test the cases on servers whose faults are known.

    Prints the kill matrix. Every mutant must be caught, no conforming server may fail, and every MUST must catch a
    mutant. SERVER names some of these servers; without it, all are used.

    Exit status: 0 all of this holds, 1 it does not, 2 wrong usage.
    """
    chosen = [each for each in specs_named(spec) if each.mutants]
    if not chosen:
        raise UsageError("no spec has servers to test its cases with")
    width = min(shutil.get_terminal_size().columns, 160)
    passed, data = True, []
    all_known = {each.name: known_servers(each, full=full or bool(names)) for each in chosen}
    every_name = [server.name for servers in all_known.values() for server in servers]
    for name in names:
        if name not in every_name:
            raise UsageError(f'there is no test server "{name}"{nearest(name, every_name)}')
    for tested in chosen:
        some = [server for server in all_known[tested.name] if not names or server.name in names]
        if not some:
            continue

        async def run() -> KillMatrix:
            with progress_bar("selftest") as bar:
                return await selftest(tested, some, watcher(bar), jobs=jobs, seed=seed, full=full)  # noqa: B023

        begun = time.monotonic()
        outcome = anyio.run(run)
        if names:
            outcome.musts = []  # a few mutants do not break every MUST
        if len(chosen) > 1:
            print(f"{tested.name}\n")
        print(matrix_table(outcome, width))
        print()
        print(matrix_summary(outcome, width, time.monotonic() - begun, seed))
        data.append({"spec": tested.name, **matrix_as_json(outcome, seed)})
        passed = passed and outcome.passed
    if json_file:
        write_text(json_file, to_pretty_json({"selftests": data}).decode() + "\n")
    return 0 if passed else 1
