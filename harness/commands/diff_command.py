"""`harness diff`: two servers read against each other."""

from __future__ import annotations

import shutil

import click
from rich.console import Console

from harness.diff import stat as stats
from harness.diff.compare import compare
from harness.diff.side_by_side import beside
from harness.diff.source import read
from harness.diff.unified import unified
from harness.diff.which import pair
from harness.report import colour


@click.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--spec", metavar="NAME", help="Which of the specs that both serve.")
@click.option("--side-by-side", "-y", "in_columns", is_flag=True, help="In two columns.")
@click.option("--context", "-U", metavar="N", type=click.IntRange(0), default=3, show_default=True, help="Equal lines.")
@click.option("--no-comments", is_flag=True, help="Leave out comments and docstrings.")
@click.option("--no-imports", is_flag=True, help="Leave out imports.")
@click.option("--stat", is_flag=True, help="Only count what differs, function by function.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="auto: on a terminal.",
)
def command(
    first: str,
    second: str,
    spec: str | None,
    in_columns: bool,
    context: int,
    no_comments: bool,
    no_imports: bool,
    stat: bool,
    color: str,
) -> int:
    """Show how the sources of two servers differ: the same job, in two styles.

    A and B are servers of the zoo, or paths. Exit status: 0, or 2 for wrong usage.
    """
    left, right = (
        read(one.name, one.source, with_comments=not no_comments, with_imports=not no_imports)
        for one in pair(first, second, spec)
        if one.source
    )
    rows, width = compare(left.lines, right.lines), shutil.get_terminal_size().columns
    if stat:
        print(stats.table(left, right, stats.stat(left, right, rows), width))
        return 0
    if all(row.is_equal for row in rows):
        print(f"{left.name} and {right.name} do not differ")
        return 0
    shown = beside(left, right, rows, context, width) if in_columns else unified(left, right, rows, context)
    if not (colour.wanted() if color == "auto" else color == "always"):
        for line in shown:
            print(line.plain)
        return 0
    console = Console(force_terminal=True, color_system="standard", no_color=False, highlight=False, width=width)
    for line in shown:
        console.print(line, soft_wrap=True)
    return 0
