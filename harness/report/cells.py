"""The columns of the league table and how their cells read, for every reporter that has a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tabulate as tabulate_module
from tabulate import tabulate

from harness.league.table import Figure, League, Row
from harness.report.facts import facts

tabulate_module.MIN_PADDING = 0  # two characters more under every heading do not fit 80 columns

# tabulate must not guess: "1" under a heading of words stays where we put it.
RIGHT, LEFT = "right", "left"


@dataclass(frozen=True)
class Column:
    """A column of the league.

    Attributes:
        heading: the words above it; a line end makes two lines of them.
        cell: what a row has there.
        spare: where the table is too wide, the column with the highest number is left out first; 0 never.
    """

    heading: str
    cell: Callable[[Row], str]
    align: str = RIGHT
    spare: int = 0


def _passed(row: Row) -> str:
    return f"{row.checked.passed}/{row.checked.total}" if row.checked else "–"


def _rate(row: Row) -> str:
    figure = row.deliveries_per_s
    if figure is None:
        return "–"
    return ("≥" if figure.at_least else "") + significant(figure.median / 1e6)


def _half_range(row: Row) -> str:
    figure = row.deliveries_per_s
    return f"{(figure.high - figure.low) / 2 / figure.median * 100:.0f}" if figure else "–"


def _spread(row: Row) -> str:
    figure = row.deliveries_per_s
    return f"{significant(figure.low / 1e6)}–{significant(figure.high / 1e6)}" if figure else "–"


def _share(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    percent = figure.median * 100
    return "0" if percent == 0 else "<0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def _milliseconds(ns: float | None) -> str:
    return "–" if ns is None else significant(ns / 1e6)


def _scaled(figure: Figure | None, unit: float) -> str:
    return "–" if figure is None else significant(figure.median / unit)


def _fact(row: Row, name: str) -> str:
    return facts(row.checked.cases).get(name, "–") if row.checked else "–"


def significant(value: float) -> str:
    """Return a number with three significant digits, and no more than it needs."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


LONGEST_NAME = 12  # where there is no room for more

COLUMNS = (
    Column("#", lambda row: str(row.place or "–")),
    Column("server", lambda row: row.implementation.name, LEFT),
    Column("language", lambda row: row.implementation.language, LEFT, spare=5),
    Column("style", lambda row: row.implementation.style, LEFT, spare=6),
    Column("pass", _passed),
    Column("M deliv-\neries/s", _rate),
    Column("±\n%", _half_range),
    Column("lowest–\nhighest", _spread, spare=2),
    Column("drops", lambda row: _share(row.dropped_share)),
    Column("slow client", lambda row: _fact(row, "slow client"), LEFT, spare=1),
    Column("p50\nms", lambda row: _milliseconds(row.p50_ns)),
    Column("p99\nms", lambda row: _milliseconds(row.p99_ns)),
    Column("cpu\nns", lambda row: _scaled(row.server_cpu_ns, 1)),
    Column("server\ncpu", lambda row: _share(row.server_cpu_share), spare=3),
    Column("load\ncpu", lambda row: _share(row.generator_cpu_share), spare=4),
    Column("idle\nMB", lambda row: _scaled(row.rss_idle_bytes, 1e6)),
    Column("KB a\nclient", lambda row: _scaled(row.rss_per_client_bytes, 1e3)),
    Column("lines", lambda row: str(row.code_lines or "–")),
)


def table(league: League, *, width: int, style: str) -> str:
    """Return the ranked rows of a league as a table.

    Args:
        width: in characters; what does not fit is left out, the most spare columns first.
        style: a format of tabulate, e.g. "simple" or "github".
    """
    columns = list(COLUMNS)
    while True:
        made = _tabulated(league, columns, style, LONGEST_NAME)
        spare = max(columns, key=lambda one: one.spare)
        if max(map(len, made.splitlines()), default=0) <= width or not spare.spare:
            break
        columns.remove(spare)
    whole = _tabulated(league, columns, style, width)
    return whole if max(map(len, whole.splitlines()), default=0) <= width else made


def _tabulated(league: League, columns: Sequence[Column], style: str, longest_name: int) -> str:
    one_line = style == "github"
    rows = [[one.cell(row) for one in columns] for row in league.rows if row.place]
    for row in rows:
        if len(row[1]) > longest_name:
            row[1] = f"{row[1][: longest_name - 1]}…"
    return tabulate(
        rows,
        headers=[one.heading.replace("-\n", "").replace("\n", " ") if one_line else one.heading for one in columns],
        tablefmt=style,
        colalign=[one.align for one in columns],
        disable_numparse=True,
    )


def unranked(league: League) -> Sequence[Row]:
    """Return the rows that have no place, which are told in words."""
    return [row for row in league.rows if not row.place]
