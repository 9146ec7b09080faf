"""Draws the charts of a run as SVG with matplotlib, for a page that is light or dark.

The same run gives the same files, byte for byte. Text stays text. Servers are distinguished by colour, by the shape of
their marks, and by their names at the ends of the curves.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.extras import require
from harness.model import Run
from harness.report.curves import Chart, Series, charts, missing, thinned
from harness.report.scales import spread_labels

if TYPE_CHECKING:  # matplotlib is an optional extra, and slow to import
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 8.6, 4.9
LABELS_IN, TITLES_IN, LEFT_IN, BELOW_IN = 1.5, 0.62, 0.75, 0.75  # margins around the curves
GAP = 0.052  # from one label to the next, as a share of the height
PAPER, INK, PALE, GRID = "#ffffff", "#1f2328", "#656d76", "#e3e6ea"
# Visible on white, and distinguishable with each kind of colour blindness: tests/test_plots.py measures both.
CURVES = ("#054689", "#dd7b00", "#05aa64", "#8f2652", "#674205", "#808fd8", "#110a00", "#a1899e")
MARKS = "os^DvPX<>"
# What replaces these colours on a dark page.
DARK = {
    PAPER: "#0d1117",
    INK: "#e6edf3",
    PALE: "#9198a1",
    GRID: "#262c36",
    "#054689": "#0a8ae6",
    "#dd7b00": "#c65e08",
    "#05aa64": "#4ad88b",
    "#8f2652": "#a270a6",
    "#674205": "#ffbb2a",
    "#808fd8": "#afd9f1",
    "#110a00": "#fffde9",
    "#a1899e": "#6f826d",
}
SPREAD = "strokes: from the lowest block to the highest"
LIMITED = "hollow: a lower bound, the load generator was the limit"


def write_svg(run: Run, folder: Path) -> Iterator[str]:
    """Write each chart of a run into a folder as SPEC-KIND.svg, with no more servers than can be named.

    Yields:
        A sentence after each file, then one for each spec that lacks a chart.

    Raises:
        HarnessError: the folder or a file cannot be written.
        UsageError: matplotlib is not installed.
    """
    all_charts = charts(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for chart in all_charts:
            file = folder / f"{chart.name}.svg"
            file.write_text(draw(thinned(chart)), "utf-8")
            yield f"{file}: {chart.title}"
    except OSError as error:
        raise HarnessError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    yield from missing(run, all_charts)


def draw(chart: Chart) -> str:
    """Return a chart as the text of an SVG file."""
    matplotlib = require("matplotlib", "plots")
    new_figure = require("matplotlib.figure", "plots").Figure
    out = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # without the user's own settings
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "zillions",
                "svg.fonttype": "none",
                "text.parse_math": False,  # a name may have a "$"
                "font.size": 10,
                "lines.linewidth": 1.8,
                "lines.markersize": 5.5,
                "lines.markeredgewidth": 1.2,
            }
        )
        figure = new_figure(figsize=(WIDTH_IN, HEIGHT_IN), facecolor=PAPER)
        axes = figure.add_axes(
            (
                LEFT_IN / WIDTH_IN,
                BELOW_IN / HEIGHT_IN,
                1 - (LEFT_IN + LABELS_IN) / WIDTH_IN,
                1 - (BELOW_IN + TITLES_IN) / HEIGHT_IN,
            ),
            facecolor=PAPER,
        )
        _frame(axes, chart)
        for series in chart.series:
            _curve(axes, chart, series)
        _names(axes, chart)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": _title(chart)})
    return out.getvalue().replace("</style>", f"{''.join(_dark())}</style>", 1)


def _title(chart: Chart) -> str:
    return f"{chart.spec}: {chart.title}"


def _frame(axes: Axes, chart: Chart) -> None:
    """Draw everything except the curves: titles, axes, ticks and the grid."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks(*chart.x.tick_positions())
    axes.set_yticks(*chart.y.tick_positions())
    axes.tick_params(colors=GRID, labelcolor=PALE, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.set_xlabel(chart.x.label, color=PALE)
    left = -LEFT_IN / 2 / (WIDTH_IN - LEFT_IN - LABELS_IN)
    notes = "; ".join([*[SPREAD] * chart.has_spread, *[LIMITED] * chart.has_limited])
    axes.text(left, 1.115, _title(chart), color=INK, fontsize=12)
    axes.text(left, 1.045, chart.conditions, color=PALE, fontsize=9)
    axes.text(left, -0.19, notes, color=PALE, fontsize=9)


def _curve(axes: Axes, chart: Chart, series: Series) -> None:
    """Draw the curve of a server, marks at some of its points, and the range of the trials at each."""
    colour = _colour(series)
    for point in series.points:
        if point.low < point.high:
            axes.plot([chart.x.share(point.x)] * 2, [chart.y.share(y) for y in (point.low, point.high)], color=colour)
    style, mark = "-" if series.number < len(CURVES) else "--", _mark(series)
    curve = chart.positions(series.points)
    axes.plot(
        *curve, color=colour, linestyle=style, marker=mark, markevery=series.marked_points(chart.x), clip_on=False
    )
    hollow = chart.positions([point for point in series.points if point.at_least])
    axes.plot(*hollow, color=colour, linestyle="", marker=mark, markerfacecolor=PAPER, clip_on=False)


def _names(axes: Axes, chart: Chart) -> None:
    """Write the names of the servers at the right, in the order of the ends of their curves, with a line to each."""
    xs, ys = chart.positions([series.points[-1] for series in chart.series])
    order = sorted(range(len(ys)), key=lambda number: (ys[number], xs[number]))
    heights = spread_labels([ys[number] for number in order], GAP, 0, 1)
    for number, height in zip(order, heights, strict=True):
        series = chart.series[number]
        colour, mark = _colour(series), _mark(series)
        line = [xs[number], 1, 1.025], [ys[number], height, height]
        axes.plot(*line, color=colour, linewidth=0.7, alpha=0.6, clip_on=False)
        axes.plot([1.035], [height], color=colour, marker=mark, clip_on=False)
        axes.text(1.05, height, series.server, color=colour, va="center")


def _colour(series: Series) -> str:
    return CURVES[series.number % len(CURVES)]


def _mark(series: Series) -> str:
    return MARKS[series.number % len(MARKS)]


def _dark() -> Iterator[str]:
    # A viewer without dark pages ignores this rule and shows the light colours.
    yield "\n@media (prefers-color-scheme: dark) {\n"
    for light, dark in DARK.items():
        for name in ("fill", "stroke"):
            yield f'  [style*="{name}: {light}"] {{ {name}: {dark} !important }}\n'
    yield "}\n"
