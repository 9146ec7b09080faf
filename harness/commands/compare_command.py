"""`harness compare`: what changed between two runs, or differs between two servers of a run, with intervals."""

from __future__ import annotations

import json
import shutil
import textwrap

import click

from harness import results
from harness.commands import completion, options, sandboxing
from harness.commands.live import compare_live
from harness.commands.parts import only
from harness.errors import UsageError, nearest
from harness.league import compare_runs
from harness.league.compare_runs import Change
from harness.model import Run
from harness.report import changes, live_comparison
from harness.zoo.discover import specs_named

HOW_TO_READ = (
    "change: the mean ratio over the blocks, with its interval. Family-wise error 5 %: all intervals hold together "
    "with a probability of 95 %."
)


@click.command(
    "compare",
    epilog=options.examples(
        "harness compare 20250301T101500-1a2b latest",
        "harness compare asyncio uvloop",
        "harness compare asyncio uvloop --run 20250301T101500-1a2b --json",
        "harness compare --live asyncio uvloop --for 2m",
        "harness compare --live asyncio@main asyncio",
    ),
)
@click.argument("first", metavar="A", shell_complete=completion.runs_or_servers)
@click.argument("second", metavar="B", shell_complete=completion.runs_or_servers)
@click.option(
    "--run",
    "run_name",
    metavar="RUN",
    shell_complete=completion.runs,
    show_default="the latest",
    help="Compare servers A and B of this run.",
)
@click.option("--spec", metavar="NAME", shell_complete=completion.specs, help="Compare only servers of this spec.")
@click.option("--live", is_flag=True, help="Load servers A and B now, in turns of some tens of milliseconds.")
@click.option(
    "--for",
    "for_s",
    metavar="DURATION",
    callback=options.duration,
    default="1m",
    show_default=True,
    help="With --live, load them for this long, e.g. 30s or 5m.",
)
@sandboxing.option
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def command(
    first: str,
    second: str,
    run_name: str | None,
    spec: str | None,
    live: bool,
    for_s: float,
    sandbox_setting: str,
    as_json: bool,
) -> int:
    """Compare two runs, two servers of one run, or two servers live.

    Prints how each figure changed from run A to run B, or differs between server A and server B. A run is named by its
    id, its path, or "latest"; other names are servers of the latest run.

    Exit status: 0, 2 wrong usage, 3 a server failed in a live comparison.
    """
    width = shutil.get_terminal_size().columns
    if live:
        options.refuse_options("run_name", because="has no meaning with --live, which measures anew")
        comparison = compare_live(first, second, spec, for_s, sandbox_setting)
        if as_json:
            print(json.dumps(live_comparison.as_data(comparison), indent=2))
            return 0
        print(changes.table(comparison.changes, comparison.names, width))
        for line in (live_comparison.sentence(comparison), comparison.note, HOW_TO_READ):
            print("\n" + textwrap.fill(line, width, break_on_hyphens=False))
        return 0
    options.refuse_options("for_s", "sandbox_setting", because="has a meaning with --live only")
    runs = None if run_name else _runs(first, second)
    if runs:
        before, after = (_part(run, spec) for run in runs)
        compared, warnings = compare_runs.of_runs(before, after), compare_runs.warnings(before, after)
        contradictions = compare_runs.contradictions(before, after)
        if not compared:
            raise UsageError(f"{before.info.id} and {after.info.id} have no figure of any server in common")
    else:
        run = _part(results.read(results.find(run_name)), spec)
        compared, warnings, contradictions = _of_servers(run, first, second), [], None
    if as_json:
        data = {"changes": [changes.as_data(change) for change in compared], "warnings": warnings}
        if contradictions is not None:
            data["contradictions"] = [{"spec": spec, "servers": names} for spec, *names in contradictions]
        print(json.dumps(data, indent=2))
        return 0
    print(changes.table(compared, ("A", "B") if runs else (first, second), width))
    for line in [*[f"Warning: {warning}." for warning in warnings], *_about_ranks(contradictions), HOW_TO_READ]:
        print("\n" + textwrap.fill(line, width, break_on_hyphens=False))
    return 0


def _runs(first: str, second: str) -> tuple[Run, Run] | None:
    """Return the two runs of these names, or None if neither is a run; raise UsageError if only one is."""
    paths = []
    for name in (first, second):
        try:
            paths.append(results.find(name))
        except UsageError as error:
            wrong = error
    if len(paths) == 1:
        raise wrong
    return (results.read(paths[0]), results.read(paths[1])) if paths else None


def _part(run: Run, spec: str | None) -> Run:
    return only(run, specs_named(spec)[0].name) if spec else run


def _of_servers(run: Run, first: str, second: str) -> list[Change]:
    known = dict.fromkeys(server.name for server in run.info.implementations)
    for name in (first, second):
        if name not in known:
            raise UsageError(
                f'"{name}" is neither a run nor a server of {run.info.id}'
                f"{nearest(name, known) or '; its servers: ' + ', '.join(known)}"
            )
    compared = compare_runs.of_servers(run, first, second)
    if not compared:
        raise UsageError(f"{first} and {second} have no figure in common in {run.info.id}")
    return compared


def _about_ranks(contradictions: list[tuple[str, str, str]] | None) -> list[str]:
    if contradictions is None:
        return []
    if not contradictions:
        return ["No contradiction: no two servers are ranked in opposite orders."]
    return [
        f"Contradiction in {spec}: A ranks {first} before {second}, B the other way round."
        for spec, first, second in contradictions
    ]
