"""`harness selftest`: are the cases themselves right."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import anyio
import click
import msgspec

from harness.commands import options
from harness.commands.checking import watcher, write_text
from harness.conformance.selftest import Matrix, known_servers, selftest
from harness.errors import UsageError, nearest
from harness.report.matrix import as_data, closing, matrix
from harness.report.progress import show
from harness.zoo.discover import specs_named

JOBS = 5 * (os.cpu_count() or 1)  # most of them wait for what never comes, or comes late


@click.command("selftest")
@click.argument("names", metavar="[SERVER]...", nargs=-1)
@click.option("--spec", metavar="NAME", help="Only the servers of this spec.")
@click.option("--full", is_flag=True, help="The whole matrix: all cases on every mutant, and all lawful servers.")
@options.jobs(default=JOBS)
@click.option("--seed", metavar="N", type=int, default=1, show_default=True, help="Of what is random in the cases.")
@click.option("--json", "json_file", metavar="FILE", type=options.FILE, help="Write the matrix as JSON.")
def command(names: tuple[str, ...], spec: str | None, full: bool, jobs: int, seed: int, json_file: Path | None) -> int:
    """Run the cases on servers of which it is known what they are, and print the kill matrix.

    Every mutant must be caught, nobody lawful be blamed, every MUST catch somebody. SERVER names some of them.
    Exit status: 0 it is so, 1 it is not.
    """
    chosen = [one for one in specs_named(spec) if one.mutants]
    if not chosen:
        raise UsageError("no spec has servers to test its cases with")
    width = min(shutil.get_terminal_size().columns, 160)
    passed, data = True, []
    all_known = {one.name: known_servers(one, full=full or bool(names)) for one in chosen}
    every_name = [server.name for servers in all_known.values() for server in servers]
    for name in names:
        if name not in every_name:
            raise UsageError(f'there is no known server "{name}"{nearest(name, every_name)}')
    for one in chosen:
        some = [server for server in all_known[one.name] if not names or server.name in names]
        if not some:
            continue

        async def run() -> Matrix:
            with show("selftest") as bar:
                return await selftest(one, some, watcher(bar), jobs=jobs, seed=seed, full=full)  # noqa: B023

        begun = time.monotonic()
        found = anyio.run(run)
        if names:
            found.musts = []  # a few cannot keep all of them busy
        if len(chosen) > 1:
            print(f"{one.name}\n")
        print(matrix(found, width))
        print()
        print(closing(found, width, time.monotonic() - begun, seed))
        data.append({"spec": one.name, **as_data(found, seed)})
        passed = passed and found.passed
    if json_file:
        write_text(json_file, msgspec.json.format(msgspec.json.encode({"selftests": data})).decode() + "\n")
    return 0 if passed else 1
