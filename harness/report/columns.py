"""The league table: its columns, and how their cells read, for every reporter that has a table.

A new column for a figure of the registry is one line of COLUMNS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.blocks import Entry
from harness.figures import BUILT_IN, PERCENT
from harness.league.comparisons import tiers
from harness.league.measures import MEASURES
from harness.league.pareto import CRITERIA
from harness.league.report_card import League
from harness.league.rows import Row
from harness.load import latency
from harness.report.facts import reported_facts
from harness.report.numbers import NOTHING, heading, in_unit, percent
from harness.report.tables import tabulated

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
        measure: the measure of which it shows the tier or the figure; "" where it shows something else.
        meaning: what it shows, for a list of terms; "" where the heading says it.
    """

    heading: str
    cell: Callable[[Row, League], str]
    align: str = RIGHT
    spare: int = 0
    figures: tuple[str, ...] = ()
    measure: str = ""
    meaning: str = ""

    @property
    def title(self) -> str:
        """The heading in one line."""
        return self.heading.replace("-\n", "").replace("\n", " ")


def _rank(row: Row, league: League) -> str:
    return interval(row.rank) if league.can_distinguish else NOTHING


def interval(rank: tuple[int, int]) -> str:
    """Return a rank interval as "3–6", or "3"."""
    low, high = rank
    return str(low) if low == high else f"{low}–{high}"


def _tier(name: str, short: str) -> Column:
    """Return the column with the tier in a measure."""
    return Column(short, lambda row, league: tier(row, league, name) or NOTHING, LEFT, measure=name)


def tier(row: Row, league: League, name: str) -> str:
    """Return the tier of a server in a measure; "" where there are too few blocks for tiers.

    Args:
        row: the ranked server.
        league: its league.
        name: the name of the measure.
    """
    return row.standings[name].tier if league.can_distinguish else ""


def score_tiers(league: League) -> dict[str, str]:
    """Return the tier of each ranked server in the order of the league; none where no difference is significant."""
    if not league.can_distinguish:
        return {}
    comparisons = league.comparisons
    names = [row.implementation.name for row in league.ranked]
    letters = tiers(comparisons, [comparisons.index(Entry(name)) for name in names])
    return {comparisons.entries[place].name: letter for place, letter in letters.items()}


def measured(row: Row, name: str) -> str:
    """Return the figure of a ranked server in a measure; "*" where it counts per second of its processor time."""
    measure, standing = MEASURES[name], row.standings[name]
    if standing.summary is None:
        return NOTHING
    if measure.name == "p99" and standing.summary.median >= latency.HIGHEST_NS:
        return "lost"  # over 1 % of the messages never came, which is later than any latency
    return in_unit(measure.figure, standing.summary.median) + ("*" if standing.is_limited else "")


def _measured(name: str, short_heading: str, *, spare: int) -> Column:
    """Return the column with the figure of a measure."""
    figures = (MEASURES[name].figure.name,)
    return Column(short_heading, lambda row, league: measured(row, name), spare=spare, figures=figures, measure=name)


def _figure(kind: str, name: str, *, spare: int, short_heading: str = "", more: str = "") -> Column:
    """Return a column with the median of a figure of a kind of slice, which the registry has with label and unit.

    Args:
        kind: the kind of slice.
        name: the name of the figure.
        spare: see `Column`.
        short_heading: the words above it, where they are not those of the registry.
        more: what is to be said beside the meaning in the registry.
    """
    figure = BUILT_IN[name]

    def cell(row: Row, league: League) -> str:
        if (kind, name) not in row.figures:
            return NOTHING
        median = row.figures[kind, name].median
        return percent(median) if figure.unit is PERCENT else in_unit(figure, median)

    meaning = f"{figure.meaning[:1].upper()}{figure.meaning[1:]}{more}."
    return Column(short_heading or heading(figure), cell, spare=spare, figures=(name,), meaning=meaning)


def _fact(name: str, *, spare: int, meaning: str) -> Column:
    """Return a column with a fact that the cases report.

    Args:
        name: of the fact.
        spare: see `Column`.
        meaning: what the fact says.
    """

    def cell(row: Row, league: League) -> str:
        return reported_facts(row.checked.cases).get(name, NOTHING) if row.checked else NOTHING

    return Column(name, cell, LEFT, spare, meaning=meaning)


def _class(row: Row, league: League) -> str:
    several = len({other.implementation.category for other in league.ranked}) > 1
    return f"{row.implementation.category} {interval(row.rank_in_category)}" if several else NOTHING


def _passed(row: Row, league: League) -> str:
    return f"{row.checked.passed}/{row.checked.total}" if row.checked else NOTHING


def _score(row: Row, league: League) -> str:
    return " ".join(score_texts(row)) or NOTHING


def score_texts(row: Row) -> tuple[str, ...]:
    """Return the score in percent, and its interval where it has one; () for a server without a score."""
    if row.score is None:
        return ()
    ends = (f"[{_share(row.score.low)}, {_share(row.score.high)}]",) if has_interval(row) else ()
    return (_share(row.score.value), *ends)


def has_interval(row: Row) -> bool:
    """Return whether a score has an interval: all but the first have one, where there are enough blocks."""
    return row.score is not None and row.position != 1 and not math.isnan(row.score.low)


def _share(share: float) -> str:
    return f"{share * 100:.0f}" if share >= 0.0995 else f"{share * 100:.1f}"


def _share_of_baseline(row: Row, league: League) -> str:
    own = row.figures.get(("few", "deliveries_per_s"))
    return f"{own.median / league.baseline.median * 100:.0f}" if own and league.baseline else NOTHING


def _front(row: Row, league: League) -> str:
    return NOTHING if row.dominated_by is None else "" if row.dominated_by else "●"


COLUMNS = (
    Column("#", _rank),
    Column("server", lambda row, league: row.implementation.name, LEFT),
    Column("language", lambda row, league: row.implementation.language, LEFT, spare=1),
    Column("score %", _score, LEFT),
    _tier("few", "few"),
    _tier("all", "all"),
    _tier("single", "one"),
    _tier("p99", "p99"),
    _tier("cpu", "cpu"),
    _tier("memory", "mem"),
    _measured("few", "few\nM/s", spare=2),
    _measured("all", "all\nM/s", spare=3),
    _measured("single", "one\nM/s", spare=4),
    _measured("p99", "p99\nms", spare=5),
    _measured("cpu", "cpu\nns", spare=6),
    _measured("memory", "idle\nMB", spare=7),
    _figure(
        "paced",
        "dropped_share",
        spare=8,
        more=", at the fixed rate. A flood counts only what arrived, so there a drop lowers the figure itself",
    ),
    Column("style", lambda row, league: row.implementation.style, LEFT, spare=19),
    Column("class", _class, LEFT, spare=18, meaning="The category, and the ranks that the server can have within it."),
    Column("pass", _passed, spare=10, meaning="Cases passed, of those that judge."),
    Column(
        "lines",
        lambda row, league: str(row.code_lines or NOTHING),
        spare=9,
        meaning="Lines of code, without comments and blank lines.",
    ),
    Column(
        "base-\nline\n%",
        _share_of_baseline,
        spare=11,
        meaning="Deliveries with few senders, as a share of those of a relay that does only what the kernel must do.",
    ),
    _fact("slow client", spare=17, meaning="What the server did with a client that does not read."),
    _figure("paced", "latency_p50_ns", spare=12, more=", at the fixed rate"),
    _figure("idle", "rss_per_client_bytes", spare=13, short_heading="KB per\nclient"),
    _figure("few", "server_cpu_share", spare=14, more=" with few senders, as a share of one core"),
    _figure("few", "generator_cpu_share", spare=15, more=" with few senders, as a share of one core"),
    Column(
        "front",
        _front,
        spare=16,
        meaning=f"●: on the Pareto front of {CRITERIA}. No other server is no worse in all of them and better in one.",
    ),
)

# Those of the references, which have no ranks and no tiers.
MEASURED = tuple(column for column in COLUMNS if column.heading == "server" or (column.measure and column.figures))

# Those of the leaderboard in a README: what they show, and the shorter heading there.
LEADERBOARD = {
    "#": "#",
    "server": "server",
    "language": "language",
    "style": "style",
    "score %": "score %",
    "few M/s": "few",
    "all M/s": "all",
    "one M/s": "one",
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
    columns = [column for column in COLUMNS if any(column.cell(row, league) != NOTHING for row in ranked) or not ranked]
    return table_of(ranked, league, columns, width=width, style=style)


def table_of(rows: Sequence[Row], league: League, columns: Sequence[Column], *, width: int, style: str) -> str:
    """Return some rows of a league as a table.

    Args:
        rows: the rows.
        league: the league.
        columns: those that have anything to show; where they do not fit, the most spare one is left out first.
        width: in characters.
        style: a format of tabulate, e.g. "simple" or "github".
    """
    shown = list(columns)
    while True:
        text = _tabulated(rows, league, shown, style, LONGEST_NAME)
        most_spare = max(shown, key=lambda column: column.spare)
        if _width(text) <= width or not most_spare.spare:
            break
        shown.remove(most_spare)
    with_full_names = _tabulated(rows, league, shown, style, width)
    return with_full_names if _width(with_full_names) <= width else text


def leaderboard(league: League, rows: Sequence[Row], *, width: int) -> str:
    """Return some rows of a league with the few columns that a README has room for, as a table in Markdown.

    Args:
        league: the league.
        rows: those to show.
        width: in characters; what the styles need beyond it is cut off.
    """
    by_heading = {column.title: column for column in COLUMNS}
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
    return tabulated(cells, headings, align=aligned, style="github")


def _width(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def _tabulated(rows: Sequence[Row], league: League, columns: Sequence[Column], style: str, longest_name: int) -> str:
    """Return a table.

    Args:
        rows: of the league.
        league: the league.
        columns: the columns, that with the name among them.
        style: a format of tabulate.
        longest_name: characters of a name; what is longer is cut off.
    """
    cells = [[column.cell(row, league) for column in columns] for row in rows]
    name = next(place for place, column in enumerate(columns) if column.heading == "server")
    for line in cells:
        if len(line[name]) > longest_name:
            line[name] = f"{line[name][: longest_name - 1]}…"
    headings = [column.title if style == "github" else column.heading for column in columns]
    return tabulated(cells, headings, align=[column.align for column in columns], style=style)
