"""The plots: a page for each spec, which a script draws, with a table and a still picture for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.report.curves import charts
from harness.site.data import Site, SiteServer
from harness.site.page import Page, Passage, relative, slug
from harness.site.plots.collect import missing, plots_of
from harness.site.plots.picture import picture
from harness.site.plots.plot import Plot

INDEX = "plots.html"
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "plots.js")
SLOTS = 8  # colours: plots.css has as many
FIRST_CHOSEN = 6


def plots_path(site: Site, spec: str) -> str:
    """Return the path of the page with the plots of a spec; that of the first one is in the navigation."""
    return INDEX if spec == site.leagues[0].spec else f"plots/{slug(spec)}.html"


def pages(site: Site) -> Iterator[Page]:
    """Yield the page with the plots of each spec."""
    curves = charts(site.run)
    paths = {league.spec: plots_path(site, league.spec) for league in site.leagues}
    for league in site.leagues:
        plots, servers = plots_of(site.run, league, curves), site.servers_of(league.spec)
        names = {series.server for plot in plots for series in plot.series}
        drawn = [server for server in servers if server.name in names]
        slots = {server.name: slot for slot, server in enumerate(first_chosen(drawn))}
        yield Page(
            path=paths[league.spec],
            template="plots.html",
            title=f"Plots: {league.spec}",
            context={
                "league": league,
                "paths": paths,
                "plots": [(plot, picture(plot, slots)) for plot in plots],
                "missing": missing(plots),
                "servers": servers,
                "drawn": drawn,
                "unfinished": [server for server in servers if server.row.is_unfinished],
                "slots": slots,
                "data": _data(league.spec, paths[league.spec], plots, servers, slots),
            },
            scripts=SCRIPTS,
            section=INDEX,
            passages=[Passage(plot.id, plot.title, plot.reading) for plot in plots],
        )


def first_chosen(servers: Sequence[SiteServer]) -> list[SiteServer]:
    """Return the servers that are shown in colour at first: from all parts of the league, in different languages.

    Args:
        servers: those that any plot shows, in the order of the league.
    """
    best = {server.implementation.language: server for server in reversed(servers)}
    different = [server for server in servers if best[server.implementation.language] is server]
    among = different if len(different) >= FIRST_CHOSEN else servers
    count = min(FIRST_CHOSEN, len(among))
    return [among[place * (len(among) - 1) // max(1, count - 1)] for place in range(count)]


def _data(
    spec: str, path: str, plots: Sequence[Plot], servers: Sequence[SiteServer], slots: Mapping[str, int]
) -> dict[str, object]:
    numbers = {server.name: number for number, server in enumerate(servers)}
    return {
        "slots": SLOTS,
        "servers": [
            {
                "name": server.name,
                "language": server.implementation.language,
                "style": server.implementation.style,
            }
            for server in servers
        ],
        "spec": spec,
        "diff": relative("diff.html", path),
        "chosen": [numbers[name] for name in slots],
        "plots": [plot.as_data(numbers) for plot in plots],
    }
