"""`harness report`: show a run again, in any form, or put it into a README."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import msgspec

from harness import plugins, results
from harness.commands.options import FILE, FOLDER
from harness.errors import UsageError, nearest
from harness.model import Run, Spec
from harness.report.formats import markdown
from harness.report.svg import write_svg
from harness.zoo.discover import specs_named


@click.command("report")
@click.argument("run", required=False)
@click.option(
    "--format",
    "form",
    default="terminal",
    show_default=True,
    metavar="NAME",
    help="A reporter: terminal, plots, markdown, json, junit.",
)
@click.option("--spec", metavar="NAME", help="Only the league of this spec.")
@click.option("--class", "category", metavar="NAME", help="Only servers of this class, ranked among themselves.")
@click.option("--plots", is_flag=True, help="Draw curves below the table: latency, throughput, drops.")
@click.option("--svg", metavar="FOLDER", type=FOLDER, help="Write the curves there, each as SPEC-CURVE.svg.")
@click.option("--readme", metavar="FILE", type=FILE, help="Rewrite the leaderboard in this file, and nothing else.")
def command(
    run: str | None,
    form: str,
    spec: str | None,
    category: str | None,
    plots: bool,
    svg: Path | None,
    readme: Path | None,
) -> int:
    """Show RUN (by default the latest)."""
    found = results.read(results.find(run))
    if spec:
        found = only(found, specs_named(spec)[0])
    if category:
        found = only_class(found, category)
    if readme:
        markdown.rewrite(readme, found)
        print(f"{readme}: the leaderboard is that of {found.info.id}")
        return 0
    if svg:
        for said in write_svg(found, svg):
            print(said)
        return 0
    known = plugins.reporters()
    if form not in known:
        raise UsageError(f'there is no reporter "{form}"{nearest(form, known) or "; known: " + ", ".join(known)}')
    if plots and form != "terminal":
        raise UsageError(f"--plots draws below the table of a terminal, not into {form}; --svg FOLDER writes files")
    width = shutil.get_terminal_size().columns
    print(known[form].render(found, width), end="")
    if plots:
        print("\n" + known["plots"].render(found, width), end="")
    return 0


def only(run: Run, spec: Spec) -> Run:
    """Return the part of a run that is about one spec; raise UsageError when there is none."""
    servers = tuple(one for one in run.info.implementations if one.spec == spec.name)
    if not servers:
        raise UsageError(f"{run.info.id} has no server of {spec.name}")
    return Run(
        msgspec.structs.replace(run.info, implementations=servers),
        [one for one in run.cases if one.spec == spec.name],
        [one for one in run.trials if one.plan.spec == spec.name],
    )


def only_class(run: Run, category: str) -> Run:
    """Return the part of a run that is about one class of servers; raise UsageError when there is none."""
    servers = tuple(one for one in run.info.implementations if one.category == category)
    if not servers:
        known = dict.fromkeys(one.category for one in run.info.implementations)
        raise UsageError(f'{run.info.id} has no server of the class "{category}", only of {", ".join(known)}')
    names = {(one.spec, one.name) for one in servers}
    others = {(one.spec, one.name) for one in run.info.implementations} - names
    return Run(
        msgspec.structs.replace(run.info, implementations=servers),
        [one for one in run.cases if (one.spec, one.implementation) in names],
        [one for one in run.trials if (one.plan.spec, one.plan.implementation) not in others],
    )
