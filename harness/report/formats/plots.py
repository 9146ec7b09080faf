"""Draws the charts of a run on a terminal with plotext: dotted curves with a letter for each server.

The letter distinguishes servers where there is no colour; it stands on the curve and before the name at its end. A
capital letter means that the load generator was the limit, so that the server can do more.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from string import ascii_lowercase

from harness.extras import require
from harness.model import Run
from harness.plugins import Reporter, hookimpl
from harness.report import colour
from harness.report.curves import Chart, Point, Series, charts, missing, thinned
from harness.report.scales import spread_labels

MAX_WIDTH, HEIGHT, MIN_WIDTH = 120, 20, 40
LONGEST_NAME = 16
# Terminal colours that are visible on black and on white, and distinguishable with colour blindness.
COLOURS = (75, 208, 129, 248, 160, 137, 25, 59)
LIMITED = "A capital letter: a lower bound, the load generator was the limit."


def render(run: Run, width: int, *, in_colour: bool = False) -> str:
    """Return the charts of a run, one below the other, and a sentence for each spec that lacks a chart.

    A chart has no more servers than can be named.

    Args:
        run: the run.
        width: in columns.
        in_colour: whether curves have colours.
    """
    all_charts = charts(run)
    parts = [draw(thinned(chart), width, in_colour=in_colour) for chart in all_charts]
    parts += [textwrap.fill(sentence, width) for sentence in missing(run, all_charts)]
    return "\n\n".join(parts) + "\n"


def draw(chart: Chart, width: int, *, in_colour: bool = False) -> str:
    """Return a chart as text, with its title above and its conditions below.

    Args:
        chart: the chart.
        width: in columns; a picture has at least 40 and at most 120.
        in_colour: whether curves have colours.

    Raises:
        UsageError: plotext is not installed.
    """
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    names = [f" {_letter(series, series.points[-1])} {_cut(series.server)}" for series in chart.series]
    picture, top, bottom = _picture(chart, width - max(map(len, names)), in_colour)
    # From the top; of curves that end at one height, the one that goes further to the right is named first.
    depths = [round((1 - chart.y.share(series.points[-1].y)) * (bottom - top)) for series in chart.series]
    order = sorted(range(len(depths)), key=lambda number: (depths[number], -chart.series[number].points[-1].x))
    spread = spread_labels([depths[number] for number in order], 1, 0, bottom - top)
    for number, depth in zip(order, spread, strict=True):
        row = top + math.floor(depth + 0.5)  # not round(), which rounds 4.5 and 5.5 to 4 and 6
        if row < len(picture):
            picture[row] += _painted(names[number], chart.series[number], in_colour)
    below = f"{chart.conditions}. {LIMITED}" if chart.has_limited else chart.conditions
    return "\n".join([f"{chart.spec}: {chart.title}", *picture, textwrap.fill(below, width)])


def _picture(chart: Chart, width: int, in_colour: bool) -> tuple[list[str], int, int]:
    """Return the lines of the picture, and the numbers of the first and the last line inside the frame."""
    plotext = require("plotext", "plots")
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, HEIGHT)
    plotext.theme("clear")
    colours = [_colour(series) if in_colour else "default" for series in chart.series]
    for series, colour_code in zip(chart.series, colours, strict=True):
        plotext.plot(*chart.positions(series.points), marker="braille", color=colour_code)
    for series, colour_code in zip(chart.series, colours, strict=True):
        marked = [series.points[number] for number in series.marked_points(chart.x)]
        letters = [_letter(series, point) for point in marked]
        plotext.scatter(*chart.positions(marked), marker=letters, color=colour_code)
    plotext.xlim(0, 1)
    plotext.ylim(0, 1)
    plotext.xticks(*chart.x.tick_positions())
    plotext.yticks(*chart.y.tick_positions())
    plotext.xlabel(chart.x.label)
    built = plotext.build()
    lines = (built if in_colour else plotext.uncolorize(built)).splitlines()
    return [line.rstrip() for line in lines], *_frame(lines)


def _frame(lines: Sequence[str]) -> tuple[int, int]:
    first = next(number for number, line in enumerate(lines) if "┌" in line)
    last = next(number for number, line in enumerate(lines) if "└" in line)
    return first + 1, last - 1


def _letter(series: Series, point: Point) -> str:
    letter = ascii_lowercase[series.number % len(ascii_lowercase)]
    return letter.upper() if point.at_least else letter


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _colour(series: Series) -> int:
    return COLOURS[series.number % len(COLOURS)]


def _painted(text: str, series: Series, in_colour: bool) -> str:
    return f"\x1b[38;5;{_colour(series)}m{text}\x1b[0m" if in_colour else text


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [
        Reporter(
            name="plots",
            summary="latency, throughput and drops as curves",
            render=lambda run, view: render(run, view.width, in_colour=colour.is_wanted()),
        )
    ]
