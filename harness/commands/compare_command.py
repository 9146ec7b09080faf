"""`harness compare`: what changed between two runs, or differs between two servers, with intervals and in words."""

from __future__ import annotations

import json
import shutil
import textwrap

import click

from harness import results
from harness.commands.report_command import only
from harness.errors import UsageError, nearest
from harness.league import compare_runs
from harness.league.compare_runs import Change
from harness.model import Run
from harness.report import changes
from harness.zoo.discover import specs_named

HOW_TO_READ = (
    "change: of the mean ratio over the blocks, with an interval; all intervals together are right with a probability "
    "of 95 %."
)


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--run", "run_name", metavar="RUN", help="The run in which A and B are servers.")
@click.option("--spec", metavar="NAME", help="Only servers of this spec.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def command(first: str, second: str, run_name: str | None, spec: str | None, as_json: bool) -> int:
    """Say what changed from run A to run B, or how server B differs from server A in one run.

    Runs are named by an id, a path, or "latest". What are no runs are servers of the latest one. Exit status: 0, or 2
    for wrong usage.
    """
    runs = None if run_name else _runs(first, second)
    if runs:
        one, other = (_part(run, spec) for run in runs)
        found, warnings = compare_runs.of_runs(one, other), compare_runs.warnings(one, other)
        against = compare_runs.contradictions(one, other)
        if not found:
            raise UsageError(f"{one.info.id} and {other.info.id} have no figure of any server in common")
    else:
        run = _part(results.read(results.find(run_name)), spec)
        found, warnings, against = _of_servers(run, first, second), [], None
    if as_json:
        told = {"changes": [changes.as_data(one) for one in found], "warnings": warnings}
        if against is not None:
            told["contradictions"] = [{"spec": spec, "servers": names} for spec, *names in against]
        print(json.dumps(told, indent=2))
        return 0
    width = shutil.get_terminal_size().columns
    print(changes.table(found, ("A", "B") if runs else (first, second), width))
    for line in [*[f"Beware: {one}." for one in warnings], *_said_of_ranks(against), HOW_TO_READ]:
        print("\n" + textwrap.fill(line, width, break_on_hyphens=False))
    return 0


def _runs(first: str, second: str) -> tuple[Run, Run] | None:
    """Return two runs of these names; None when neither is one. UsageError when only one is."""
    found = []
    for name in (first, second):
        try:
            found.append(results.find(name))
        except UsageError as error:
            wrong = error
    if len(found) == 1:
        raise wrong
    return (results.read(found[0]), results.read(found[1])) if found else None


def _part(run: Run, spec: str | None) -> Run:
    return only(run, specs_named(spec)[0]) if spec else run


def _of_servers(run: Run, first: str, second: str) -> list[Change]:
    known = dict.fromkeys(one.name for one in run.info.implementations)
    for name in (first, second):
        if name not in known:
            raise UsageError(
                f'"{name}" is neither a run nor a server of {run.info.id}'
                f"{nearest(name, known) or '; its servers: ' + ', '.join(known)}"
            )
    found = compare_runs.of_servers(run, first, second)
    if not found:
        raise UsageError(f"{first} and {second} have no figure in common in {run.info.id}")
    return found


def _said_of_ranks(against: list[tuple[str, str, str]] | None) -> list[str]:
    if against is None:
        return []
    if not against:
        return ["No contradiction: there is no pair that one run ranks in an order, and the other in the opposite one."]
    return [
        f"Contradiction in {spec}: A ranks {one} before {other}, B the other way round." for spec, one, other in against
    ]
