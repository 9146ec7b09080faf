"""A plot of the site as plain numbers: for the script that draws it, its table, and its drawing without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.report.curves import Point, Series
from harness.report.scales import Axis, tick_text

DIGITS = 4  # significant ones, of the points in a page
AXIS_DIGITS = 6


class AxisKind(StrEnum):
    """How a value on an axis reads."""

    NUMBER = "number"
    PERCENTILE = "percentile"  # x is 1 / (1 - q)
    CATEGORY = "category"  # the texts of the ticks


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One picture, and a table of what it shows.

    Attributes:
        id: its id in the page.
        title: what it shows.
        reading: how to read it, in a sentence or two.
        conditions: under which conditions it was measured.
        x: the x axis.
        y: the y axis.
        x_kind: how a value on the x axis reads.
        series: the points of each server.
        is_joined: whether the points of a server are joined by a line.
        front: the corners of the line that has no server beyond it, from left to right; () for none.
        columns: the headings of the table, behind that of the server.
        rows: the cells of the table, the name of the server first.
    """

    id: str
    title: str
    reading: str
    conditions: str
    x: Axis
    y: Axis
    x_kind: AxisKind = AxisKind.NUMBER
    series: Sequence[Series]
    is_joined: bool = True
    front: Sequence[Point] = ()
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def has_spread(self) -> bool:
        """Whether any point has a range."""
        return any(point.low < point.high for series in self.series for point in series.points)

    @property
    def has_limited(self) -> bool:
        """Whether the load generator was the limit at any point."""
        return any(point.at_least for series in self.series for point in series.points)

    def as_data(self, numbers: Mapping[str, int]) -> dict[str, object]:
        """Return what the script draws; a server is its number.

        Args:
            numbers: of the servers, by name.
        """
        return {
            "id": self.id,
            "title": self.title,
            "x": {**_axis_data(self.x), "kind": self.x_kind},
            "y": {**_axis_data(self.y), "kind": AxisKind.NUMBER},
            "joined": self.is_joined,
            "series": [[numbers[series.server], list(map(_point_data, series.points))] for series in self.series],
            "front": [[_short(point.x), _short(point.y)] for point in self.front],
        }


def _axis_data(axis: Axis) -> dict[str, object]:
    return {
        "label": axis.label,
        "log": axis.is_log,
        "low": _short(axis.low, AXIS_DIGITS),
        "high": _short(axis.high, AXIS_DIGITS),
        "ticks": [[_short(value, AXIS_DIGITS), text] for value, text in axis.ticks],
    }


def _point_data(point: Point) -> list[float]:
    """Return x, y, and where they say more, the range, and 1 for a lower bound."""
    numbers = [_short(number) for number in (point.x, point.y, point.low, point.high)]
    if point.at_least:
        return [*numbers, 1]
    return numbers if point.low < point.high else numbers[:2]


def _short(number: float, digits: int = DIGITS) -> float:
    return float(f"{number:.{digits}g}")


def numbered(identifier: str, number: int) -> str:
    """Return the id of the plot with this number among those of its kind: "rate", "rate-2"."""
    return identifier if number == 1 else f"{identifier}-{number}"


def point_rows(every: Sequence[Series], text: Callable[[float], str]) -> list[list[str]]:
    """Return rows of a table with a server and all of its points: "10: 1.2, 100: 1.5".

    Args:
        every: the points of the servers.
        text: returns a value as text.
    """
    return [
        [series.server, ", ".join(f"{tick_text(point.x)}: {text(point.y)}" for point in series.points)]
        for series in every
    ]


def ends(every: Sequence[Series]) -> list[float]:
    """Return the lowest and the highest value of each point, for which an axis needs room."""
    return [value for series in every for point in series.points for value in (point.low, point.high)]
