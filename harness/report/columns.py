"""The columns of the league table and how their cells read, for every reporter that has a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tabulate as tabulate_module
from tabulate import tabulate

from harness.league.table import League, Row, Summary
from harness.report.facts import facts

tabulate_module.MIN_PADDING = 0  # two characters more under every heading do not fit 80 columns

# tabulate must not guess: "1" under a heading of words stays where we put it.
RIGHT, LEFT = "right", "left"
NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A column of the league; it is left out where no row has anything there.

    Attributes:
        heading: the words above it; a line end makes two lines of them.
        cell: what a row has there.
        spare: where the table is too wide, the column with the highest number is left out first; 0 never.
    """

    heading: str
    cell: Callable[[Row, League], str]
    align: str = RIGHT
    spare: int = 0


def interval(rank: tuple[int, int]) -> str:
    """Return a rank interval as "3–6", or "3"."""
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def _class(row: Row, league: League) -> str:
    several = len({one.implementation.category for one in league.rows if one.position}) > 1
    return f"{row.implementation.category} {interval(row.rank_in_class)}" if several else NOTHING


def _passed(row: Row, league: League) -> str:
    return f"{row.checked.passed}/{row.checked.total}" if row.checked else NOTHING


def _rate(row: Row, league: League) -> str:
    figure = row.deliveries_per_s
    if figure is None:
        return NOTHING
    return ("≥" if figure.at_least else "") + significant(figure.median / 1e6)


def _half_range(row: Row, league: League) -> str:
    figure = row.deliveries_per_s
    return f"{(figure.high - figure.low) / 2 / figure.median * 100:.0f}" if figure else NOTHING


def _spread(row: Row, league: League) -> str:
    figure = row.deliveries_per_s
    return f"{significant(figure.low / 1e6)}–{significant(figure.high / 1e6)}" if figure else NOTHING


def _of_ceiling(row: Row, league: League) -> str:
    mine, ceiling = row.deliveries_per_s, league.baseline
    if mine is None or ceiling is None or (mine.at_least and ceiling.at_least):
        return NOTHING  # where the load was the limit of both, it says nothing
    bound = "≥" if mine.at_least else "≤" if ceiling.at_least else ""
    return f"{bound}{mine.median / ceiling.median * 100:.0f}"


def _front(row: Row, league: League) -> str:
    return NOTHING if row.dominated_by is None else "" if row.dominated_by else "●"


def _percent(share: float) -> str:
    percent = share * 100
    return "0" if percent == 0 else "<0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def _share(name: str) -> Callable[[Row, League], str]:
    def cell(row: Row, league: League) -> str:
        return _percent(row.figures[name].median) if name in row.figures else NOTHING

    return cell


def _scaled(name: str, unit: float = 1) -> Callable[[Row, League], str]:
    def cell(row: Row, league: League) -> str:
        return significant(row.figures[name].median / unit) if name in row.figures else NOTHING

    return cell


def _milliseconds(ns: float | None) -> str:
    return NOTHING if ns is None else significant(ns / 1e6)


def _fact(name: str) -> Callable[[Row, League], str]:
    def cell(row: Row, league: League) -> str:
        return facts(row.checked.cases).get(name, NOTHING) if row.checked else NOTHING

    return cell


def significant(value: float) -> str:
    """Return a number with three significant digits, and no more than it needs; one below 0.1 with two."""
    if 0 < abs(value) < 0.1:
        return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.4f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


LONGEST_NAME = 12  # where there is no room for more

COLUMNS = (
    Column("#", lambda row, league: interval(row.rank)),
    Column("server", lambda row, league: row.implementation.name, LEFT),
    Column("tie", lambda row, league: row.ties, LEFT),
    Column("class", _class, LEFT, spare=7),
    Column("language", lambda row, league: row.implementation.language, LEFT, spare=12),
    Column("style", lambda row, league: row.implementation.style, LEFT, spare=13),
    Column("pass", _passed),
    Column("M deliv-\neries/s", _rate),
    Column("±\n%", _half_range, spare=5),
    Column("lowest–\nhighest", _spread, spare=9),
    Column("of\nnull\n%", _of_ceiling, spare=2),
    Column("drops", _share("dropped_share")),
    Column("slow client", _fact("slow client"), LEFT, spare=8),
    Column("p50\nms", lambda row, league: _milliseconds(row.p50_ns), spare=3),
    Column("p99\nms", lambda row, league: _milliseconds(row.p99_ns)),
    Column("cpu\nns", _scaled("server_cpu_ns_per_delivery"), spare=1),
    Column("server\ncpu", _share("server_cpu_share"), spare=10),
    Column("of it\nuser", _share("server_user_share"), spare=14),
    Column("of it\nsystem", _share("server_system_share"), spare=14),
    Column("switches a\ndelivery", _scaled("context_switches_per_delivery"), spare=15),
    Column("load\ncpu", _share("generator_cpu_share"), spare=11),
    Column("load\nMB", _scaled("generator_rss_bytes", 1e6), spare=17),
    Column("others'\ncpu", _share("other_cpu_share"), spare=18),
    Column("send lag\np99 ms", _scaled("send_lag_p99_ns", 1e6), spare=19),
    Column("idle\nMB", _scaled("rss_idle_bytes", 1e6)),
    Column("KB a\nclient", _scaled("rss_per_client_bytes", 1e3), spare=4),
    Column("peak\nMB", _scaled("rss_peak_bytes", 1e6), spare=16),
    Column("clients\na GB", _scaled("connections_per_gb"), spare=16),
    Column("lines", lambda row, league: str(row.code_lines or NOTHING)),
    Column("front", _front, spare=6),
)


def table(league: League, *, width: int, style: str) -> str:
    """Return the ranked rows of a league as a table.

    Args:
        width: in characters; what does not fit is left out, the most spare columns first.
        style: a format of tabulate, e.g. "simple" or "github".
    """
    ranked = [row for row in league.rows if row.position]
    columns = [one for one in COLUMNS if not ranked or any(one.cell(row, league) != NOTHING for row in ranked)]
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
    rows = [[one.cell(row, league) for one in columns] for row in league.rows if row.position]
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
    return [row for row in league.rows if not row.position]


def median_text(found: Summary | None, unit: float) -> str:
    """Return the median of a figure in a unit, with "≥" where it is a lower bound."""
    return NOTHING if found is None else ("≥" if found.at_least else "") + significant(found.median / unit)
