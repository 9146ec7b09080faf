"""`harness diff`: compares the sources of two servers."""

from __future__ import annotations

import shutil

import click
from rich.console import Console

from harness.commands import completion, options
from harness.diff import stat as stats
from harness.diff.compare import compare
from harness.diff.pair import find_pair
from harness.diff.side_by_side import side_by_side
from harness.diff.source import read
from harness.diff.unified import unified
from harness.report import colour


@click.command(
    "diff",
    epilog=options.examples(
        "harness diff threads asyncio",
        "harness diff threads asyncio --side-by-side --no-comments",
        "harness diff rust rust_tokio --stat",
    ),
)
@click.argument("first", metavar="A", shell_complete=completion.servers_or_files)
@click.argument("second", metavar="B", shell_complete=completion.servers_or_files)
@click.option(
    "--spec",
    metavar="NAME",
    shell_complete=completion.specs,
    show_default="the first that both serve",
    help="Compare the servers of this spec.",
)
@click.option("--side-by-side", "-y", "in_columns", is_flag=True, help="Show the sources in two columns.")
@click.option(
    "--context",
    "-U",
    metavar="N",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Show this many equal lines around each difference.",
)
@click.option("--no-comments", is_flag=True, help="Leave out comments and docstrings.")
@click.option("--no-imports", is_flag=True, help="Leave out imports.")
@click.option("--stat", is_flag=True, help="Only count the lines that differ, function by function.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Use colours; auto does so on a terminal.",
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
    """Show how the sources of two servers differ.

    A and B are servers of the zoo, or paths. Servers of one language have the same functions in the same order, so
    that the difference is the style.

    Exit status: 0, or 2 for wrong usage.
    """
    left, right = (
        read(server.name, server.source, with_comments=not no_comments, with_imports=not no_imports)
        for server in find_pair(first, second, spec)
        if server.source
    )
    rows, width = compare(left.lines, right.lines), shutil.get_terminal_size().columns
    if stat:
        print(stats.table(left, right, stats.diff_stat(left, right, rows), width))
        return 0
    if all(row.is_equal for row in rows):
        print(f"{left.name} and {right.name} do not differ")
        return 0
    shown = side_by_side(left, right, rows, context, width) if in_columns else unified(left, right, rows, context)
    if not (colour.is_wanted() if color == "auto" else color == "always"):
        for line in shown:
            print(line.plain)
        return 0
    console = Console(force_terminal=True, color_system="standard", no_color=False, highlight=False, width=width)
    for line in shown:
        console.print(line, soft_wrap=True)
    return 0
