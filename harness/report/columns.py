"""The league table: its columns, and how their cells read, for every reporter that has a table.

A new column for a figure of the registry is one line of COLUMNS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tabulate as tabulate_module
from tabulate import tabulate

from harness.figures import BUILT_IN, PERCENT
from harness.league.table import League, Row
from harness.report.facts import reported_facts
from harness.report.numbers import NOTHING, heading, in_unit, percent, significant

tabulate_module.MIN_PADDING = 0  # two characters more under every heading do not fit 80 columns

# Alignment is explicit: by default tabulate would move "1" under a heading of words.
RIGHT, LEFT = "right", "left"
LONGEST_NAME = 12  # characters of a server's name, where the table has no room for more


@dataclass(frozen=True)
class Column:
    """A column of the league; it is left out where no row has anything to show.

    Attributes:
        heading: the words above it; line ends are kept on a terminal.
        cell: returns what a row shows.
        align: RIGHT or LEFT.
        spare: where the table is too wide, the column with the highest number is left out first; one with 0 never.
        figures: the names of the figures that it reads.
    """

    heading: str
    cell: Callable[[Row, League], str]
    align: str = RIGHT
    spare: int = 0
    figures: tuple[str, ...] = ()


def interval(rank: tuple[int, int]) -> str:
    """Return a rank interval as "3–6", or "3"."""
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def _figure(name: str, *, spare: int = 0, short_heading: str = "") -> Column:
    """Return a column with the median of a figure, which has label and unit in the registry."""
    figure = BUILT_IN[name]

    def cell(row: Row, league: League) -> str:
        if name not in row.figures:
            return NOTHING
        median = row.figures[name].median
        return percent(median) if figure.unit is PERCENT else in_unit(figure, median)

    return Column(short_heading or heading(figure), cell, spare=spare, figures=(name,))


def _fact(name: str, *, spare: int = 0) -> Column:
    """Return a column with a fact that the cases report."""

    def cell(row: Row, league: League) -> str:
        return reported_facts(row.checked.cases).get(name, NOTHING) if row.checked else NOTHING

    return Column(name, cell, LEFT, spare)


def _class(row: Row, league: League) -> str:
    several = len({other.implementation.category for other in league.ranked}) > 1
    return f"{row.implementation.category} {interval(row.rank_in_category)}" if several else NOTHING


def _passed(row: Row, league: League) -> str:
    return f"{row.checked.passed}/{row.checked.total}" if row.checked else NOTHING


def _rate(row: Row, league: League) -> str:
    summary = row.deliveries_per_s
    if summary is None:
        return NOTHING
    return ("≥" if summary.at_least else "") + in_unit(BUILT_IN["deliveries_per_s"], summary.median)


def _half_range(row: Row, league: League) -> str:
    summary = row.deliveries_per_s
    return f"{(summary.high - summary.low) / 2 / summary.median * 100:.0f}" if summary else NOTHING


def _range(row: Row, league: League) -> str:
    summary, figure = row.deliveries_per_s, BUILT_IN["deliveries_per_s"]
    return f"{in_unit(figure, summary.low)}–{in_unit(figure, summary.high)}" if summary else NOTHING


def _share_of_baseline(row: Row, league: League) -> str:
    own, baseline = row.deliveries_per_s, league.baseline
    if own is None or baseline is None or (own.at_least and baseline.at_least):
        return NOTHING  # where the load generator was the limit of both, the ratio says nothing
    bound = "≥" if own.at_least else "≤" if baseline.at_least else ""
    return f"{bound}{own.median / baseline.median * 100:.0f}"


def _front(row: Row, league: League) -> str:
    return NOTHING if row.dominated_by is None else "" if row.dominated_by else "●"


def _milliseconds(ns: float | None) -> str:
    return NOTHING if ns is None else significant(ns / 1e6)


COLUMNS = (
    Column("#", lambda row, league: interval(row.rank)),
    Column("server", lambda row, league: row.implementation.name, LEFT),
    Column("tie", lambda row, league: row.ties, LEFT),
    Column("class", _class, LEFT, spare=7),
    Column("language", lambda row, league: row.implementation.language, LEFT, spare=12),
    Column("style", lambda row, league: row.implementation.style, LEFT, spare=13),
    Column("pass", _passed),
    Column("M deliv-\neries/s", _rate, figures=("deliveries_per_s",)),
    Column("±\n%", _half_range, spare=5),
    Column("lowest–\nhighest", _range, spare=9),
    Column("base-\nline\n%", _share_of_baseline, spare=2),
    _figure("dropped_share"),
    _fact("slow client", spare=8),
    Column("p50\nms", lambda row, league: _milliseconds(row.p50_ns), spare=3, figures=("latency_p50_ns",)),
    Column("p99\nms", lambda row, league: _milliseconds(row.p99_ns), figures=("latency_p99_ns",)),
    _figure("server_cpu_ns_per_delivery", spare=1),
    _figure("server_cpu_share", spare=10),
    _figure("server_user_share", spare=14),
    _figure("server_system_share", spare=14),
    _figure("server_switches_per_delivery", spare=15),
    _figure("generator_cpu_share", spare=11),
    _figure("generator_rss_bytes", spare=17),
    _figure("other_cpu_share", spare=18),
    _figure("send_lag_p99_ns", spare=19),
    _figure("rss_idle_bytes", short_heading="idle\nMB"),
    _figure("rss_per_client_bytes", spare=4, short_heading="KB per\nclient"),
    _figure("server_rss_peak_bytes", spare=16),
    _figure("connections_per_gb", spare=16),
    Column("lines", lambda row, league: str(row.code_lines or NOTHING)),
    Column("front", _front, spare=6),
)

# Those of the leaderboard in a README: what they show, and the shorter heading there.
LEADERBOARD = {
    "#": "#",
    "server": "server",
    "language": "language",
    "style": "style",
    "M deliveries/s": "M/s",
    "drops": "drops",
    "p99 ms": "p99 ms",
    "idle MB": "MB",
    "lines": "lines",
}


def table(league: League, *, width: int, style: str) -> str:
    """Return the ranked rows of a league as a table.

    Args:
        league: the league.
        width: in characters; columns that do not fit are left out, the most spare one first.
        style: a format of tabulate, e.g. "simple" or "github".
    """
    ranked = league.ranked
    columns = [column for column in COLUMNS if not ranked or any(column.cell(row, league) != NOTHING for row in ranked)]
    while True:
        text = _tabulated(league, columns, style, LONGEST_NAME)
        most_spare = max(columns, key=lambda column: column.spare)
        if _width(text) <= width or not most_spare.spare:
            break
        columns.remove(most_spare)
    with_full_names = _tabulated(league, columns, style, width)
    return with_full_names if _width(with_full_names) <= width else text


def leaderboard(league: League, rows: Sequence[Row], *, width: int) -> str:
    """Return some rows of a league with the few columns that a README has room for, as a table in Markdown.

    Args:
        league: the league.
        rows: those to show.
        width: in characters; what the styles need beyond it is cut off.
    """
    by_heading = {_one_line(column.heading): column for column in COLUMNS}
    columns = [by_heading[heading] for heading in LEADERBOARD]
    cells = [[column.cell(row, league) for column in columns] for row in rows]
    style = list(LEADERBOARD).index("style")
    excess = _width(_markdown(cells, columns)) - width
    if excess > 0:
        room = max(len(line[style]) for line in cells) - excess
        for line in cells:
            line[style] = line[style] if len(line[style]) <= room else f"{line[style][: room - 1]}…"
    return _markdown(cells, columns)


def _markdown(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> str:
    aligned = [column.align for column in columns]
    headings = list(LEADERBOARD.values())
    return tabulate(cells, headers=headings, tablefmt="github", colalign=aligned, disable_numparse=True)


def _one_line(heading: str) -> str:
    return heading.replace("-\n", "").replace("\n", " ")


def _width(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def _tabulated(league: League, columns: Sequence[Column], style: str, longest_name: int) -> str:
    rows = [[column.cell(row, league) for column in columns] for row in league.ranked]
    for row in rows:
        if len(row[1]) > longest_name:
            row[1] = f"{row[1][: longest_name - 1]}…"
    headings = [column.heading for column in columns]
    if style == "github":
        headings = [_one_line(heading) for heading in headings]
    return tabulate(
        rows,
        headers=headings,
        tablefmt=style,
        colalign=[column.align for column in columns],
        disable_numparse=True,
    )
