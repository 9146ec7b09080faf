"""The charts of a run as SVG, drawn with matplotlib: for a README, in light and in dark.

A file is the same, byte for byte, whenever it is made from the same run. Text is text. Servers are told apart by
colour, by the shape of their marks, and by their names at the ends of the curves.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.model import Run
from harness.report.curves import Chart, Series, charts, missing
from harness.report.scales import spread

if TYPE_CHECKING:  # every command loads its plugins, and few draw
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 8.6, 4.7
LABELS_IN, TITLES_IN, LEFT_IN, BELOW_IN = 1.5, 0.62, 0.75, 0.55  # room around the curves
GAP = 0.052  # of the height, from one label to the next
PAPER, INK, PALE, GRID = "#ffffff", "#1f2328", "#656d76", "#e3e6ea"
# The colours of Okabe and Ito, which people who do not tell red from green tell apart; for white paper the two pale
# ones are darker, and yellow, which is not to be seen on it, is left out.
CURVES = ("#0072b2", "#d55e00", "#009e73", "#b4508c", "#b87a00", "#3a9bdc", "#1f2329", "#8a8f98")
MARKS = "os^DvPX<>"
# What takes the place of these colours where the reader's page is dark.
DARK = {
    PAPER: "#0d1117",
    INK: "#e6edf3",
    PALE: "#9198a1",
    GRID: "#262c36",
    "#0072b2": "#4a9fe0",
    "#d55e00": "#f0762a",
    "#009e73": "#2bc49a",
    "#b4508c": "#e08cc0",
    "#b87a00": "#e6b030",
    "#3a9bdc": "#8fd0f7",
    "#1f2329": "#e6edf4",
}
SPREAD = "strokes: from the lowest block to the highest"
LIMITED = "hollow: at least that, the load generator was the limit"


def write_svg(run: Run, folder: Path) -> Iterator[str]:
    """Write each chart of a run into a folder, as SPEC-KIND.svg; say after each what was written, then what was not.

    Raises:
        HarnessError: the folder or a file cannot be written.
    """
    found = charts(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for chart in found:
            file = folder / f"{chart.name}.svg"
            file.write_text(drawn(chart), "utf-8")
            yield f"{file}: {chart.title}"
    except OSError as error:
        raise HarnessError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    yield from missing(run, found)


def drawn(chart: Chart) -> str:
    """Return a chart as the text of an SVG file."""
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # and not what this user likes
        matplotlib.rcParams.update({"svg.hashsalt": "zillions", "svg.fonttype": "none", "font.size": 10})
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), facecolor=PAPER)
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
        for one in chart.series:
            _curve(axes, chart, one)
        _names(axes, chart)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": _title(chart)})
    return out.getvalue().replace("</style>", f"{''.join(_dark())}</style>", 1)


def _title(chart: Chart) -> str:
    return f"{chart.spec}: {chart.title}"


def _frame(axes: Axes, chart: Chart) -> None:
    """Draw all that is not a curve: titles, axes, ticks, lines behind the curves."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    for axis, scale in ((chart.x, axes.xaxis), (chart.y, axes.yaxis)):
        set_scale, set_limits = (
            (axes.set_xscale, axes.set_xlim) if axis is chart.x else (axes.set_yscale, axes.set_ylim)
        )
        set_scale("log" if axis.is_log else "linear")
        set_limits(axis.low, axis.high)
        scale.set_major_locator(FixedLocator([value for value, _ in axis.ticks]))
        scale.set_major_formatter(FixedFormatter([words for _, words in axis.ticks]))
        scale.set_minor_locator(NullLocator())
    axes.tick_params(colors=GRID, labelcolor=PALE, length=3)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.set_xlabel(chart.x.label, color=PALE)
    left = -LEFT_IN / 2 / (WIDTH_IN - LEFT_IN - LABELS_IN)
    told = [chart.conditions, *[SPREAD] * chart.has_spread, *[LIMITED] * chart.has_limited]
    for text, height, colour, size in ((_title(chart), 1.115, INK, 12), ("; ".join(told), 1.045, PALE, 9)):
        axes.text(left, height, text, transform=axes.transAxes, color=colour, fontsize=size)


def _curve(axes: Axes, chart: Chart, series: Series) -> None:
    """Draw the curve of a server, a mark at some of its points, and how far the trials of each lay apart."""
    points, colour = series.points, _colour(series)
    xs, ys = [one.x for one in points], [one.y for one in points]
    for one in points:
        if one.low < one.high:
            axes.vlines(one.x, one.low, one.high, color=colour, linewidth=1.2)
    axes.plot(
        xs,
        ys,
        color=colour,
        linewidth=1.8,
        linestyle="-" if series.number < len(CURVES) else "--",
        marker=_mark(series),
        markersize=5.5,
        markeredgecolor=colour,
        markeredgewidth=1.2,
        markevery=series.marked(chart.x),
        clip_on=False,
    )
    hollow = [one for one in points if one.at_least]
    axes.plot(
        [one.x for one in hollow],
        [one.y for one in hollow],
        linestyle="",
        marker=_mark(series),
        markersize=5.5,
        color=PAPER,
        markeredgecolor=colour,
        markeredgewidth=1.2,
        clip_on=False,
    )


def _names(axes: Axes, chart: Chart) -> None:
    """Write the names of the servers to the right, in the order of the ends of their curves, a fine line to each."""
    ends = [one.points[-1] for one in chart.series]
    order = sorted(range(len(ends)), key=lambda one: (ends[one].y, ends[one].x))
    heights = spread([chart.y.share(ends[one].y) for one in order], GAP, 0, 1)
    for one, height in zip(order, heights, strict=True):
        series, end = chart.series[one], (chart.x.share(ends[one].x), chart.y.share(ends[one].y))
        axes.plot(
            [end[0], 1.0, 1.025],
            [end[1], height, height],
            transform=axes.transAxes,
            color=_colour(series),
            linewidth=0.7,
            alpha=0.6,
            clip_on=False,
        )
        axes.plot(
            [1.035], [height], transform=axes.transAxes, color=_colour(series), marker=_mark(series), clip_on=False
        )
        axes.text(1.05, height, series.server, transform=axes.transAxes, color=_colour(series), va="center")


def _colour(series: Series) -> str:
    return CURVES[series.number % len(CURVES)]


def _mark(series: Series) -> str:
    return MARKS[series.number % len(MARKS)]


def _dark() -> Iterator[str]:
    # Whoever does not know of dark pages passes over this, and shows the colours of the light one.
    yield "\n@media (prefers-color-scheme: dark) {\n"
    for light, dark in DARK.items():
        for what in ("fill", "stroke"):
            yield f'  [style*="{what}: {light}"] {{ {what}: {dark} !important }}\n'
    yield "}\n"
