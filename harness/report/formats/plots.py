"""The charts of a run on a terminal, drawn with plotext: curves in dots, a letter for each server.

A letter tells servers apart where there is no colour; it stands on the curve, and before the name at the end of it. A
capital letter says that the load generator was the limit, and the server can do more.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from string import ascii_lowercase

from harness.model import Run
from harness.plugins import Reporter, hookimpl
from harness.report import colour
from harness.report.curves import Chart, Point, Series, charts, missing
from harness.report.scales import spread

WIDEST, HEIGHT, FEWEST_COLUMNS = 120, 20, 40
LONGEST_NAME = 16
# Of the 256 colours of a terminal, those that are seen on black and on white, and told apart by the colour-blind.
COLOURS = (75, 208, 129, 248, 160, 137, 25, 59)
LIMITED = "A capital letter: at least that, the load generator was the limit."


def render(run: Run, width: int, *, in_colour: bool = False) -> str:
    """Return the charts of a run, one below the other, and what there is nothing to draw for."""
    found = charts(run)
    parts = [draw(one, width, in_colour=in_colour) for one in found]
    parts += [textwrap.fill(one, width) for one in missing(run, found)]
    return "\n\n".join(parts) + "\n"


def draw(chart: Chart, width: int, *, in_colour: bool = False) -> str:
    """Return a chart as text, with its title above and its conditions below.

    Args:
        width: in columns; more than 120 are not used, and fewer than 40 are too few for a picture.
    """
    width = max(FEWEST_COLUMNS, min(width, WIDEST))
    names = [f" {_letter(one, one.points[-1])} {_cut(one.server)}" for one in chart.series]
    picture, top, bottom = _picture(chart, width - max(map(len, names)), in_colour)
    # From the top; where curves end at one height, the one that goes further to the right is named first.
    depths = [round((1 - chart.y.share(one.points[-1].y)) * (bottom - top)) for one in chart.series]
    order = sorted(range(len(depths)), key=lambda one: (depths[one], -chart.series[one].points[-1].x))
    for one, depth in zip(order, spread([depths[one] for one in order], 1, 0, bottom - top), strict=True):
        row = top + math.floor(depth + 0.5)  # not round(): it takes 4.5 and 5.5 to 4 and 6
        if row < len(picture):
            picture[row] += _painted(names[one], chart.series[one], in_colour)
    below = f"{chart.conditions}. {LIMITED}" if chart.has_limited else chart.conditions
    return "\n".join([f"{chart.spec}: {chart.title}", *picture, textwrap.fill(below, width)])


def _picture(chart: Chart, width: int, in_colour: bool) -> tuple[list[str], int, int]:
    """Return the lines of the picture, and which of them are the first and the last inside the frame."""
    import plotext  # every command loads its plugins, and few draw

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, HEIGHT)
    plotext.theme("clear")
    for one in chart.series:
        plotext.plot(*chart.places(one.points), marker="braille", color=_colour(one) if in_colour else "default")
    for one in chart.series:
        marked = [one.points[number] for number in one.marked(chart.x)]
        letters = [_letter(one, point) for point in marked]
        plotext.scatter(*chart.places(marked), marker=letters, color=_colour(one) if in_colour else "default")
    plotext.xlim(0, 1)
    plotext.ylim(0, 1)
    plotext.xticks(*chart.x.placed())
    plotext.yticks(*chart.y.placed())
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
    return [
        Reporter(
            name="plots",
            summary="latency, throughput and drops as curves",
            render=lambda run, width: render(run, width, in_colour=colour.wanted()),
        )
    ]
