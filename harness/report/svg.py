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

WIDTH_IN, HEIGHT_IN = 8.6, 4.9
LABELS_IN, TITLES_IN, LEFT_IN, BELOW_IN = 1.5, 0.62, 0.75, 0.75  # room around the curves
GAP = 0.052  # of the height, from one label to the next
PAPER, INK, PALE, GRID = "#ffffff", "#1f2328", "#656d76", "#e3e6ea"
# Seen on white paper, and told apart by people of each kind of colour blindness: tests/test_plots.py measures it.
CURVES = ("#054689", "#dd7b00", "#05aa64", "#8f2652", "#674205", "#808fd8", "#110a00", "#a1899e")
MARKS = "os^DvPX<>"
# What takes the place of these colours where the reader's page is dark.
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
            file.write_text(draw(chart), "utf-8")
            yield f"{file}: {chart.title}"
    except OSError as error:
        raise HarnessError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    yield from missing(run, found)


def draw(chart: Chart) -> str:
    """Return a chart as the text of an SVG file."""
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # and not what this user likes
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "zillions",
                "svg.fonttype": "none",
                "text.parse_math": False,  # "$" is a character of a name
                "font.size": 10,
                "lines.linewidth": 1.8,
                "lines.markersize": 5.5,
                "lines.markeredgewidth": 1.2,
            }
        )
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
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks(*chart.x.placed())
    axes.set_yticks(*chart.y.placed())
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
    """Draw the curve of a server, a mark at some of its points, and how far the trials of each lay apart."""
    colour = _colour(series)
    for one in series.points:
        if one.low < one.high:
            axes.plot([chart.x.share(one.x)] * 2, [chart.y.share(one.low), chart.y.share(one.high)], color=colour)
    style, mark = "-" if series.number < len(CURVES) else "--", _mark(series)
    curve = chart.places(series.points)
    axes.plot(*curve, color=colour, linestyle=style, marker=mark, markevery=series.marked(chart.x), clip_on=False)
    hollow = chart.places([one for one in series.points if one.at_least])
    axes.plot(*hollow, color=colour, linestyle="", marker=mark, markerfacecolor=PAPER, clip_on=False)


def _names(axes: Axes, chart: Chart) -> None:
    """Write the names of the servers to the right, in the order of the ends of their curves, a fine line to each."""
    xs, ys = chart.places([one.points[-1] for one in chart.series])
    order = sorted(range(len(ys)), key=lambda one: (ys[one], xs[one]))
    heights = spread([ys[one] for one in order], GAP, 0, 1)
    for one, height in zip(order, heights, strict=True):
        series = chart.series[one]
        colour, mark = _colour(series), _mark(series)
        axes.plot([xs[one], 1, 1.025], [ys[one], height, height], color=colour, linewidth=0.7, alpha=0.6, clip_on=False)
        axes.plot([1.035], [height], color=colour, marker=mark, clip_on=False)
        axes.text(1.05, height, series.server, color=colour, va="center")


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
