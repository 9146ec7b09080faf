"""Places what a plot shows on a picture of fixed size, for readers without scripts: a template makes SVG from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.curves import Point, Series
from harness.report.scales import spread_labels
from harness.site.plots.plot import Plot

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BELOW = 58, 130, 12, 46  # margins around the curves
LINE = 15  # from one label to the next


@dataclass(frozen=True)
class Tick:
    """A tick: its place along the axis, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """What is drawn for one server.

    Attributes:
        server: its name.
        slot: the number of its colour, dashes and mark; -1 for one that is drawn as background.
        path: the points of its line, for SVG; "" where its points are not joined.
        marks: where it has marks, as x and y.
        strokes: the ranges of its points, as x, upper and lower y.
        label_y: where its name stands at the right.
        end: where its line ends, as x and y.
    """

    server: str
    slot: int
    path: str
    marks: Sequence[tuple[float, float]]
    strokes: Sequence[tuple[float, float, float]]
    label_y: float
    end: tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A plot as places in an SVG picture.

    Attributes:
        width: of the picture.
        height: of the picture.
        frame: the left, upper, right and lower end of the field with the curves.
        x_ticks: the ticks of the x axis.
        y_ticks: the ticks of the y axis.
        curves: those in the background first.
        front: the points of the front, for SVG, or "".
    """

    width: int
    height: int
    frame: tuple[float, float, float, float]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    curves: Sequence[Curve]
    front: str


def picture(plot: Plot, slots: Mapping[str, int]) -> Picture:
    """Return the places of what a plot shows.

    Args:
        plot: the plot.
        slots: for each server that is shown in colour, the number of its colour.
    """
    coloured = sorted((series for series in plot.series if series.server in slots), key=lambda each: slots[each.server])
    background = [series for series in plot.series if series.server not in slots]
    label_ys = _label_ys(plot, coloured)
    return Picture(
        width=WIDTH,
        height=HEIGHT,
        frame=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BELOW),
        x_ticks=[Tick(_x(plot, value), text) for value, text in plot.x.ticks],
        y_ticks=[Tick(_y(plot, value), text) for value, text in plot.y.ticks],
        curves=[
            *(_curve(plot, series, -1, 0.0) for series in background),
            *(_curve(plot, series, slots[series.server], label_ys[series.server]) for series in coloured),
        ],
        front=_path(plot, _stairs(plot.front)),
    )


def _stairs(corners: Sequence[Point]) -> list[Point]:
    """Return the corners of the front with a step between each two."""
    steps: list[Point] = []
    for corner in corners:
        if steps:
            steps.append(Point(corner.x, steps[-1].y, corner.y, corner.y))
        steps.append(corner)
    return steps


def _label_ys(plot: Plot, coloured: Sequence[Series]) -> dict[str, float]:
    """Return where the names of the servers stand, as close to the ends of their lines as there is room."""
    ends = sorted((_y(plot, series.points[-1].y), series.server) for series in coloured)
    places = spread_labels([y for y, _ in ends], LINE, TOP, HEIGHT - BELOW)
    return {server: round(place, 1) for place, (_, server) in zip(places, ends, strict=True)}


def _curve(plot: Plot, series: Series, slot: int, label_y: float) -> Curve:
    marked = series.marked_points(plot.x) if slot >= 0 or not plot.is_joined else []
    points = [series.points[number] for number in marked]
    last = series.points[-1]
    return Curve(
        server=series.server,
        slot=slot,
        path=_path(plot, series.points) if plot.is_joined else "",
        marks=[(_x(plot, point.x), _y(plot, point.y)) for point in points],
        strokes=[
            (_x(plot, point.x), _y(plot, point.high), _y(plot, point.low))
            for point in series.points
            if slot >= 0 and point.low < point.high
        ],
        label_y=label_y,
        end=(_x(plot, last.x), _y(plot, last.y)),
    )


def _path(plot: Plot, points: Sequence[Point]) -> str:
    return " ".join(f"{_x(plot, point.x):g},{_y(plot, point.y):g}" for point in points)


def _x(plot: Plot, value: float) -> float:
    return round(LEFT + plot.x.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(plot: Plot, value: float) -> float:
    return round(HEIGHT - BELOW - plot.y.share(value) * (HEIGHT - TOP - BELOW), 1)
