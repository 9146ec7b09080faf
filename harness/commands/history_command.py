"""`harness history`: one server over all runs on disk, and what was new where it changed."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator

import click

from harness import results
from harness.commands import completion, options
from harness.errors import UsageError, nearest
from harness.extras import require
from harness.league.series import series_of
from harness.model import Run
from harness.report.series import HOW_TO_READ, series_data, series_text
from harness.zoo.discover import specs_named


@click.command(
    "history",
    epilog=options.examples("harness history asyncio", "harness history go --spec channels --json"),
)
@click.argument("name", metavar="NAME", shell_complete=completion.servers)
@click.option("--spec", metavar="NAME", shell_complete=completion.specs, help="Show only runs of this spec.")
@click.option("--json", "as_json", is_flag=True, help="Print the series as JSON.")
def command(name: str, spec: str | None, as_json: bool) -> int:
    """Show a server over all runs, and what was new where it changed.

    Reads every run in results/. Runs on one kind of machine form a series. Needs zillions[history].

    Exit status: 0, or 2 for wrong usage.
    """
    require("ruptures", "history")
    if spec:
        specs_named(spec)
    runs = list(_readable_runs())
    found = series_of(runs, name, spec)
    if not found:
        known = sorted({server.name for run in runs for server in run.info.implementations})
        raise UsageError(f'no run in {results.folder()}/ has a server "{name}"{nearest(name, known)}')
    if as_json:
        print(json.dumps(series_data(found), indent=2))
        return 0
    width = shutil.get_terminal_size().columns
    print("\n\n".join(series_text(series, width) for series in found))
    print("\n" + textwrap.fill(HOW_TO_READ, width, break_on_hyphens=False))
    return 0


def _readable_runs() -> Iterator[Run]:
    """Yield the runs on disk; say which cannot be read, e.g. because they have another format."""
    for path in results.every():
        try:
            yield results.read(path)
        except (UsageError, OSError) as error:
            print(f"left out: {error}", file=sys.stderr)
