"""`harness report`: show a run again, in any form, or put it into a README."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from harness import plugins, results
from harness.commands.options import FILE
from harness.errors import UsageError, nearest
from harness.report import markdown


@click.command("report")
@click.argument("run", required=False)
@click.option(
    "--format",
    "form",
    default="terminal",
    show_default=True,
    metavar="NAME",
    help="A reporter: terminal, markdown, json, junit.",
)
@click.option("--readme", metavar="FILE", type=FILE, help="Rewrite the leaderboard in this file, and nothing else.")
def command(run: str | None, form: str, readme: Path | None) -> int:
    """Show RUN (by default the latest)."""
    found = results.read(results.find(run))
    if readme:
        markdown.rewrite(readme, found)
        print(f"{readme}: the leaderboard is that of {found.info.id}")
        return 0
    known = plugins.reporters()
    if form not in known:
        raise UsageError(f'there is no reporter "{form}"{nearest(form, known) or "; known: " + ", ".join(known)}')
    print(known[form].render(found, shutil.get_terminal_size().columns), end="")
    return 0
