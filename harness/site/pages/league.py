"""The first page: the report card of each spec, which scripts sort, filter and weigh, and which reads without them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.blocks import Entry
from harness.figures import Better
from harness.league.comparisons import Comparisons
from harness.league.inference import ERROR
from harness.league.kinds_of_machines import by_kind
from harness.league.measures import DEFAULT_WEIGHTS, MEASURES
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.report.columns import (
    COLUMNS,
    Column,
    has_interval,
    interval,
    measured,
    score_texts,
    score_tiers,
    tier,
)
from harness.report.findings import difference_text, findings
from harness.report.numbers import NOTHING, in_unit
from harness.site.data import Site, SiteServer
from harness.site.other_figures import OtherFigures, other_figures
from harness.site.page import Page, Passage, slug
from harness.site.plots.cost_plots import idle_clients

# What the measures are, in full: each is shown alone, as the hint of a heading; the registry of figures says less.
MEANINGS = {
    "few": "Messages received a second by all clients together, while 4 clients send, with up to 1024 messages in "
    "flight",
    "all": "Messages received a second by all clients together, while every client sends",
    "single": "Messages received a second by all clients together, with one message in flight: what a message costs "
    "where nothing can be batched",
    "p99": "99th percentile of the time from the moment a message was due to be sent until its sender receives it, at "
    "500 messages a second; a message that never came counts as later than any",
    "cpu": "Processor time of the server for each delivery, at 500 messages a second",
    "memory": "Resident memory of the server with idle clients: how many stands below the table",
}
# What the table shows in its own way; the other columns follow as they are in a terminal.
OWN = ("#", "server", "score %")
DRAWN_WIDTH = 140  # of the drawn scores, in pixels
# Of the sliders. Where the page was made with other weights they have room for those: a browser would change them.
MOST_WEIGHT, WEIGHT_STEP = 5, 0.5
GRID = (0.1, 0.3, 1.0)  # the scores with a line behind the drawn ones


@dataclass(frozen=True)
class MeasureCell:
    """What a cell of a measure shows.

    Attributes:
        text: the figure.
        tier: its tier, or "".
        span: the lowest and the highest value over the blocks, or "".
        value: the figure as a number, to sort by; "" where there is none.
    """

    text: str
    tier: str
    span: str
    value: str


@dataclass(frozen=True)
class LeagueRow:
    """What a row of the table shows.

    Attributes:
        server: the server.
        rank: its rank interval, or "–".
        score: its score, and its interval where it has one.
        tier: its tier in the order of the league, or "".
        drawn: the score and the ends of its interval; None for an end that it lacks.
        measures: the cells of the six measures, by name.
        others: the texts of the other columns.
    """

    server: SiteServer
    rank: str
    score: Sequence[str]
    tier: str
    drawn: tuple[float, float | None, float | None]
    measures: Mapping[str, MeasureCell]
    others: Mapping[str, str]


@dataclass(frozen=True)
class LeagueTable:
    """What the page shows about a spec.

    Attributes:
        league: its league.
        rows: those of the ranked servers.
        columns: the columns beside those that the table has in its own way.
        unranked: the servers that have neither a rank nor figures of other workloads, each with the reason.
        controls: the A/A controls: for each the server, and its difference from itself in the score and the measures.
        findings: sentences.
        others: the figures of other workloads.
        idle: with how many idle clients memory was measured; 0 where it was not.
        kinds: for each kind of machine, where there are several, its description and the rows of its blocks alone.
        references: the products beside the league, each with its row and the texts of the measures by name.
    """

    league: League
    rows: Sequence[LeagueRow]
    columns: Sequence[Column]
    unranked: Sequence[tuple[SiteServer, str]]
    controls: Sequence[tuple[SiteServer, Sequence[tuple[str, bool]]]]
    findings: Sequence[str]
    others: OtherFigures
    idle: int
    kinds: Sequence[tuple[str, Sequence[LeagueRow]]]
    references: Sequence[tuple[Row, Mapping[str, str]]]


def pages(site: Site) -> Iterator[Page]:
    """Yield the page with the leagues."""
    kinds = list(_kinds(site))
    tables = [
        _table(site, league, [(title, rows) for spec, title, rows in kinds if spec == league.spec])
        for league in site.leagues
    ]
    axis = score_axis(site.leagues)
    weights = site.leagues[0].weights if site.leagues else DEFAULT_WEIGHTS
    implementations = [server.implementation for server in site.servers]
    context = {
        "tables": tables,
        "measures": MEASURES,
        "meanings": MEANINGS,
        "headings": {column.measure: column.title for column in COLUMNS if column.measure and column.figures},
        "Better": Better,
        "at": lambda score: position(score, axis),
        "grid": GRID,
        "languages": sorted({each.language for each in implementations}),
        "styles": sorted({each.style for each in implementations}),
        "categories": sorted({each.category for each in implementations}),
        "weights": weights,
        "is_default_order": weights == DEFAULT_WEIGHTS,
        "most": max(MOST_WEIGHT, *weights.values()),
        "step": WEIGHT_STEP if all((each / WEIGHT_STEP).is_integer() for each in weights.values()) else "any",
        "terms": {column.title: column.meaning for table in tables for column in table.columns if column.meaning},
        "error": f"{ERROR * 100:g} %",
        "data": {
            "measures": list(MEASURES),
            "weights": [weights.get(name, 0) for name in MEASURES],
            "axis": axis,
            "width": DRAWN_WIDTH,
            "grid": GRID,
            "servers": {key: value for league in site.leagues for key, value in _script_data(site, league).items()},
        },
    }
    yield Page(
        path="index.html",
        template="league.html",
        title="League",
        context=context,
        scripts=("league.js",),
        passages=[
            Passage(f"league-{slug(table.league.spec)}", table.league.spec, " ".join(table.findings))
            for table in tables
        ],
    )


def _kinds(site: Site) -> Iterator[tuple[str, str, Sequence[LeagueRow]]]:
    """Yield for each kind of machine, where there are several, and each spec: the spec, the kind, and the rows."""
    for title, part in by_kind(site.run):
        for league in leagues(part, weights=site.leagues[0].weights):
            letters = score_tiers(league)
            rows = [
                _row(SiteServer(row, league), [], letters.get(row.implementation.name, "")) for row in league.ranked
            ]
            yield league.spec, title, rows


def _table(site: Site, league: League, kinds: Sequence[tuple[str, Sequence[LeagueRow]]]) -> LeagueTable:
    """Return what the page shows about a spec.

    Args:
        site: the site.
        league: the league of the spec.
        kinds: the rows of each kind of machine, where there are several.
    """
    servers, letters = {server.name: server for server in site.servers_of(league.spec)}, score_tiers(league)
    rows = [servers[row.implementation.name] for row in league.ranked]
    columns = [
        column
        for column in COLUMNS
        if column.title not in OWN
        and not column.measure
        and any(column.cell(server.row, league) != NOTHING for server in rows)
    ]
    return LeagueTable(
        league=league,
        rows=[_row(server, columns, letters.get(server.name, "")) for server in rows],
        columns=columns,
        unranked=[
            (servers[row.implementation.name], row.note or "not measured")
            for row in league.unranked
            if row.note or not row.other_figures
        ],
        controls=[
            (servers[league.comparisons.entries[server].name], _control(league, control, server))
            for control, server in league.controls
        ],
        findings=findings(league),
        others=other_figures(league, servers),
        idle=idle_clients(site.run, league.spec),
        kinds=kinds,
        references=[
            (row, {name: measured(row, name) for name in MEASURES}) for row in league.references if row.figures
        ],
    )


def _row(server: SiteServer, columns: Sequence[Column], letter: str) -> LeagueRow:
    """Return what a row of the table shows.

    Args:
        server: the server.
        columns: those that the table does not have in its own way.
        letter: its tier in the order of the league, or "".
    """
    row, league = server.row, server.league
    score = row.score
    ends = (None, None) if score is None or not has_interval(row) else (score.low, score.high)
    return LeagueRow(
        server=server,
        rank=interval(row.rank) if league.can_distinguish else NOTHING,
        score=score_texts(row),
        tier=letter,
        drawn=(score.value if score else 0.0, *ends),
        measures={name: _measure_cell(server, name) for name in MEASURES},
        others={column.title: column.cell(row, league) for column in columns},
    )


def score_axis(leagues: Sequence[League]) -> tuple[float, float]:
    """Return the ends of the logarithmic axis that the scores of all leagues are drawn on."""
    scores = [row.score for league in leagues for row in league.ranked if row.score]
    ends = [end for score in scores for end in (score.value, score.low, score.high) if not math.isnan(end)]
    return min([GRID[0], *ends]) / 1.1, max([GRID[-1], *ends]) * 1.1


def position(score: float, axis: tuple[float, float]) -> float:
    """Return where a score is on an axis, in pixels.

    Args:
        score: the score.
        axis: the scores at its ends.
    """
    lowest, highest = map(math.log, axis)
    share = (math.log(min(max(score, axis[0]), axis[1])) - lowest) / (highest - lowest)
    return round(DRAWN_WIDTH * share, 1)


def _measure_cell(server: SiteServer, name: str) -> MeasureCell:
    figure, summary = MEASURES[name].figure, server.row.standings[name].summary
    span = ""
    if summary and summary.low != summary.high:
        span = f"{in_unit(figure, summary.low)}–{in_unit(figure, summary.high)} over the blocks"
    value = f"{summary.median:.6g}" if summary else ""
    return MeasureCell(measured(server.row, name), tier(server.row, server.league, name), span, value)


def _control(league: League, control: int, server: int) -> list[tuple[str, bool]]:
    """Return the difference of a control from its server in the score and each measure, and whether it is significant.

    Args:
        league: the league.
        control: the place of the control in the comparisons.
        server: the place of its server.
    """
    return [
        (difference_text(comparisons, control, server), comparisons.differ(control, server))
        for comparisons in (league.comparisons, *league.by_measure.values())
    ]


def _script_data(site: Site, league: League) -> dict[str, list[list[float | None]]]:
    """Return for each ranked server, by its key, a list for each measure.

    Each list has the logarithm of the ratio to the best, the ends of its interval, and the ends of the rank interval.
    """
    servers = {server.name: server.key for server in site.servers_of(league.spec)}
    data: dict[str, list[list[float | None]]] = {servers[row.implementation.name]: [] for row in league.ranked}
    for name, comparisons in league.by_measure.items():
        levels = comparisons.levels()
        ranked = [comparisons.entries.index(Entry(row.implementation.name)) for row in league.ranked]
        first = max(ranked, key=lambda place: levels[place], default=0)
        for place, row in zip(ranked, league.ranked, strict=True):
            standing = row.standings[name]
            ratio = float(levels[place] - levels[first]) if standing.summary else math.nan
            ends = _ends(comparisons, place, first)
            rank = standing.rank if league.can_distinguish else (None, None)
            data[servers[row.implementation.name]].append([*map(_rounded, (ratio, *ends)), *rank])
    return data


def _ends(comparisons: Comparisons, place: int, first: int) -> tuple[float, float]:
    if place == first:
        return math.nan, math.nan
    return float(comparisons.low[place, first]), float(comparisons.high[place, first])


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
