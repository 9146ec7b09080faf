"""`harness report`: shows a run again, in any format, or writes it into a README."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from harness import plugins, results
from harness.commands import completion, options
from harness.commands.checking import write_text
from harness.commands.options import FILE, FILE_OR_DASH, FOLDER
from harness.commands.parts import only, only_class
from harness.commands.standard_streams import print_data
from harness.errors import UsageError, nearest
from harness.plugins import ReportView
from harness.report import live_comparison, pull_request
from harness.report.leaderboard import rewrite, write_pages
from harness.report.svg import write_svg
from harness.site.badges import write_badges
from harness.site.write import write_site
from harness.zoo.discover import specs_named


@click.command(
    "report",
    epilog=options.examples(
        "harness report",
        "harness report 20250301T101500-1a2b --spec broadcast --class tuned",
        "harness report --by p99 --wide",
        "harness report --format markdown",
        "harness report --svg plots/",
        "harness report --html site/",
        "harness report --badges site/badges/",
        "harness report --pr comment.md --compared before.json",
    ),
)
@click.argument("run", required=False, shell_complete=completion.runs)
@click.option(
    "--format",
    "form",
    default="terminal",
    show_default=True,
    metavar="NAME",
    shell_complete=completion.reporters,
    help="Choose the format: terminal, plots, markdown, json, junit, or that of a plugin.",
)
@click.option("--spec", metavar="NAME", shell_complete=completion.specs, help="Show only the league of this spec.")
@click.option(
    "--category",
    "--class",
    "category",
    metavar="NAME",
    help="Show only servers of this class, ranked among themselves.",
)
@click.option(
    "--plots", is_flag=True, help="Draw curves below the table: latency, throughput, drops. Needs zillions[plots]."
)
@click.option(
    "--svg",
    metavar="FOLDER",
    type=FOLDER,
    help="Write the curves to FOLDER, each as SPEC-CURVE.svg. Needs zillions[plots].",
)
@click.option(
    "--html",
    metavar="FOLDER",
    type=FOLDER,
    help="Write a static web site about the run to FOLDER. Needs zillions[site].",
)
@click.option(
    "--badges",
    metavar="FOLDER",
    type=FOLDER,
    help="Write a badge about conformance and one about the league to FOLDER for each server, as SVG.",
)
@click.option("--readme", metavar="FILE", type=FILE, help="Rewrite the leaderboard in FILE, and nothing else.")
@click.option(
    "--pages",
    metavar="FOLDER",
    type=FOLDER,
    help="Write a page per spec to FOLDER, as Markdown: all servers, all figures, the conditions.",
)
@click.option(
    "--pr",
    metavar="FILE",
    type=FILE_OR_DASH,
    help="Write the comment on a pull request to FILE, or to the standard output for -, as Markdown.",
)
@click.option(
    "--compared",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With --pr, add what changed in figures from FILE, which `harness compare --live --json` has written.",
)
@click.option("--run-url", metavar="URL", help="With --pr, add a link to the page at URL, which has the whole run.")
@options.order
def command(
    run: str | None,
    form: str,
    spec: str | None,
    category: str | None,
    by: str,
    weights: dict[str, float],
    is_wide: bool,
    plots: bool,
    svg: Path | None,
    html: Path | None,
    badges: Path | None,
    readme: Path | None,
    pages: Path | None,
    pr: Path | None,
    compared: tuple[Path, ...],
    run_url: str | None,
) -> int:
    """Show a run again, in any format.

    RUN is the id or the path of a run, by default the latest.

    Exit status: 0, or 2 for wrong usage.
    """
    folder = results.find(run)
    shown = results.read(folder)
    if spec:
        shown = only(shown, specs_named(spec)[0].name)
    if category:
        shown = only_class(shown, category)
    if (compared or run_url) and not pr:
        option = "--compared" if compared else "--run-url"
        raise UsageError(f"{option} is for the comment on a pull request: name a file for it with --pr")
    view = ReportView(width=shutil.get_terminal_size().columns, by=by, weights=weights, is_wide=is_wide)
    if pr:
        comparisons = [live_comparison.read(path) for path in compared]
        _write_comment(pr, pull_request.comment(shown, comparisons, run_url or ""))
    if readme:
        rewrite(readme, shown)
        print(f"{readme}: the leaderboard is that of {shown.info.id}")
    if pages:
        for page in write_pages(pages, shown):
            print(f"{page}: written")
    if svg:
        for line in write_svg(shown, svg):
            print(line)
    if html:
        print(f"{html / 'index.html'}: written, with {write_site(shown, html, folder, view)} pages")
    if badges:
        print(f"{badges}: {len(write_badges(shown, badges))} badges written")
    if any((pr, readme, pages, svg, html, badges)):
        return 0
    known = plugins.reporters()
    if form not in known:
        raise UsageError(f'there is no reporter "{form}"{nearest(form, known) or "; known: " + ", ".join(known)}')
    if plots and form != "terminal":
        raise UsageError(f"--plots draws below the terminal table, not into {form}; --svg FOLDER writes files")
    text = known[form].render(shown, view)
    print_data(text) if form in ("json", "junit") else print(text, end="")
    if plots:
        print("\n" + known["plots"].render(shown, view), end="")
    return 0


def _write_comment(path: Path, text: str) -> None:
    """Write the comment on a pull request to a file, or to the standard output for "-"."""
    if path == Path("-"):
        print_data(text)
    else:
        write_text(path, text)
        print(f"{path}: written")
