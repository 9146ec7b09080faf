"""The figures of the workloads beside the league, as a table of any page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import plugins
from harness.league.report_card import League
from harness.report.numbers import cell
from harness.site.data import SiteServer


@dataclass(frozen=True)
class OtherFigures:
    """The figures that other workloads report.

    Attributes:
        headings: for each column the workload, the title of the figure, and what it means.
        rows: the servers that have any, each with its cells.
    """

    headings: Sequence[tuple[str, str, str]]
    rows: Sequence[tuple[SiteServer, Sequence[str]]]


def other_figures(league: League, servers: Mapping[str, SiteServer]) -> OtherFigures:
    """Return the figures of other workloads for the servers of a league, ranked or not, that ran as they should.

    Args:
        league: the league.
        servers: those of its servers that are wanted, by name.
    """
    figures = plugins.figures()
    rows = [row for row in league.rows if row.other_figures and not row.note and row.implementation.name in servers]
    keys = list(dict.fromkeys(key for row in rows for key in row.other_figures))
    return OtherFigures(
        headings=[(workload, figures[name].title, figures[name].meaning) for workload, name in keys],
        rows=[
            (
                servers[row.implementation.name],
                [cell(figures[name], row.other_figures.get((workload, name))) for workload, name in keys],
            )
            for row in rows
        ],
    )
