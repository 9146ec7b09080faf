"""A page for each server: its figures, what it does with a slow client, its README, its source; and the list of all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from harness.figures import Better
from harness.league.measures import BY_SCORE, MEASURES
from harness.league.rows import Row
from harness.model import Verdict
from harness.report.columns import interval, measured, score_texts, score_tiers, tier
from harness.report.facts import reported_facts
from harness.report.findings import score_text
from harness.report.numbers import NOTHING, in_unit
from harness.report.series import shift_sentences
from harness.site.costs import costs
from harness.site.data import PROJECT, Site, SiteServer
from harness.site.earlier_runs import histories
from harness.site.evidence import SLOW_CLIENT
from harness.site.highlight import highlight
from harness.site.markdown import Markdown
from harness.site.other_figures import other_figures
from harness.site.page import Page, Passage
from harness.site.pages.diff import nearest, pair_path
from harness.site.requirement_results import server_conformance_path
from harness.site.source_scripts import is_readable
from harness.site.sources import targets

INDEX = "servers/index.html"
RATIOS = {BY_SCORE: "score", "few": "few", "all": "all", "single": "one"}  # columns of the history
POLICY_TITLE = "A slow client"  # of the section of a README about them
# An item of the section of another spec about slow clients, with the lines that continue it.
POLICY = re.compile(r"^- \*\*A slow [^*\n]+\*\*.*(?:\n  .*)*", re.MULTILINE)
LONGEST_SOURCE = 200_000  # characters that a page shows


@dataclass(frozen=True)
class MeasureLine:
    """A server in one measure, beside the others.

    Attributes:
        name: of the measure.
        title: what it is.
        unit: of the figures.
        own: its figure.
        span: the lowest and the highest value over the blocks, or "–".
        rank: its rank interval, or "–".
        tier: its tier, or "".
        tier_median: the median of the figures of its tier.
        tier_size: how many servers are in its tier.
        best: the best figure of the league.
    """

    name: str
    title: str
    unit: str
    own: str
    span: str
    rank: str
    tier: str
    tier_median: str
    tier_size: int
    best: str


def pages(site: Site) -> Iterator[Page]:
    """Yield the list of servers, and the page of each."""
    yield Page(path=INDEX, template="servers.html", title="Servers", context={"rank_of": _rank})
    markdown = Markdown(targets(site))
    past = histories(site)
    letters = {league.spec: score_tiers(league) for league in site.leagues}
    by_name = {league.spec: {server.name: server for server in site.servers_of(league.spec)} for league in site.leagues}
    for server in site.servers:
        readme, taken = server.readme.read_text("utf-8", errors="replace") if server.readme else "", set[str]()
        # Before the part of it about slow clients, so that its headings have the ids that links have.
        rendered = (
            markdown.render(readme, file=server.readme, page=server.path, lower_by=1, taken=taken)
            if server.readme
            else ""
        )
        yield Page(
            path=server.path,
            template="server.html",
            title=f"{server.name} ({server.spec})",
            context={
                "server": server,
                "lines": _lines(server),
                "score": " ".join(score_texts(server.row)),
                "score_tier": letters[server.spec].get(server.name, ""),
                "score_text": score_text(server.league.weights),
                "rank": interval(server.row.rank) if server.league.can_distinguish else "",
                "dominated_by": [by_name[server.spec][name] for name in server.row.dominated_by or ()],
                "others": other_figures(server.league, {server.name: server}),
                "conformance": _conformance(server.row),
                "conformance_path": server_conformance_path(server) if server.cases else "",
                "drops": costs(server)["drops"],
                "facts": reported_facts(server.cases),
                "slow_client": SLOW_CLIENT,
                "slow_client_policy": _rendered_policy(markdown, server, readme, taken),
                "history": [(series, shift_sentences(series)) for series in past.get((server.spec, server.name), ())],
                "ratios": RATIOS,
                "neighbours": [(other, _comparison(server, other)) for other in nearest(site, server, site.servers)],
                "readme": rendered,
                "source": _source(server),
                "file": _shown_path(server),
            },
            section=INDEX,
            passages=[
                Passage("", "", " ".join((server.implementation.summary, server.implementation.style))),
                *markdown.passages(readme),
            ],
        )


def _rank(server: SiteServer) -> str:
    """Return the rank interval of a server, or "–"."""
    return interval(server.row.rank) if server.row.position and server.league.can_distinguish else NOTHING


def _comparison(server: SiteServer, other: SiteServer) -> str:
    """Return the path of the page with both sources side by side; "" where either has none to show."""
    return pair_path(server, other) if is_readable(server) and is_readable(other) else ""


def _lines(server: SiteServer) -> list[MeasureLine]:
    """Return a line for each measure; none for a server that is not ranked."""
    row, league = server.row, server.league
    if not row.position:
        return []
    found = []
    for name, measure in MEASURES.items():
        standing, figure = row.standings[name], measure.figure
        letter = tier(row, league, name)
        medians = {
            other.implementation.name: (summary.median, tier(other, league, name))
            for other in league.ranked
            if (summary := other.standings[name].summary)
        }
        alike = [value for value, other_tier in medians.values() if letter and other_tier == letter]
        best = (max if figure.better is Better.MORE else min)((value for value, _ in medians.values()), default=None)
        summary = standing.summary
        found.append(
            MeasureLine(
                name=name,
                title=f"{figure.label}, {measure.title}",
                unit=figure.unit.symbol,
                own=measured(row, name),
                span=f"{in_unit(figure, summary.low)}–{in_unit(figure, summary.high)}"
                if summary and summary.low != summary.high
                else NOTHING,
                rank=interval(standing.rank) if league.can_distinguish and summary else NOTHING,
                tier=letter,
                tier_median=in_unit(figure, median(alike)) if alike else NOTHING,
                tier_size=len(alike),
                best=NOTHING if best is None else in_unit(figure, best),
            )
        )
    return found


def _conformance(row: Row) -> str:
    """Return the result of the check in words."""
    checked = row.checked
    if checked is None or not checked.cases:
        return "not checked in this run"
    failed = checked.count(Verdict.FAIL)
    return f"{checked.verdict}, {checked.passed} of {checked.total} cases passed" + (
        f", {failed} failed" if failed else ""
    )


def policy_of(readme: str, spec: str) -> str:
    """Return what a README says about slow clients, as Markdown: in the section of a spec, or in the one about them.

    Args:
        readme: the README.
        spec: the name of the spec.
    """
    sections = re.split(r"^## +(.+)$", readme, flags=re.MULTILINE)
    by_title = dict(zip(sections[1::2], sections[2::2], strict=True))
    found = POLICY.search(by_title.get(spec, sections[0]))
    return found[0] if found else by_title.get(POLICY_TITLE, "").strip() if spec not in by_title else ""


def _rendered_policy(markdown: Markdown, server: SiteServer, readme: str, taken: set[str]) -> str:
    """Return what a README says about slow clients as HTML.

    Args:
        markdown: renders it.
        server: the server.
        readme: its README.
        taken: the ids of headings that its page has.
    """
    text = policy_of(readme, server.spec)
    return markdown.render(text, file=server.readme, page=server.path, taken=taken) if text and server.readme else ""


def _source(server: SiteServer) -> str:
    """Return the source as HTML; "" where there is none to show."""
    if server.source is None:
        return ""
    try:
        data = server.source.read_bytes()
    except OSError:
        return ""
    if b"\0" in data:
        return ""
    text = data.decode("utf-8", errors="replace")
    cut = "" if len(text) <= LONGEST_SOURCE else "\n[cut here]\n"
    return highlight(text[:LONGEST_SOURCE] + cut, file=server.source.name, lines="L")


def _shown_path(server: SiteServer) -> str:
    """Return the path of the source below the project, or its name: no path of this machine."""
    if server.source is None:
        return ""
    source = server.source.resolve()
    return source.relative_to(PROJECT).as_posix() if source.is_relative_to(PROJECT) else source.name
