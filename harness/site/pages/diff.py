"""The page that compares any two servers with a script, and pages without scripts for those nearest by style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.diff.compare import compare
from harness.diff.stat import diff_stat
from harness.site.costs import LABELS, TOO_FEW, compared, costs, summary, verdicts
from harness.site.data import Site, SiteServer
from harness.site.diff_table import table_rows
from harness.site.page import DataFile, Page, slug
from harness.site.source_scripts import BothForms, file_name, read_both, script, script_path
from harness.zoo.neighbours import neighbours

INDEX = "diff.html"
SCRIPTS = ("vendor/diff.min.js", "diff-lines.js", "diff.js")
Key = tuple[str, str]  # the spec and the name of a server


def pair_path(left: SiteServer, right: SiteServer) -> str:
    """Return the path of the page that compares two servers, which is one for both orders."""
    first, second = sorted((slug(left.name), slug(right.name)))
    return f"diff/{slug(left.spec)}/{first}--{second}.html"


def pages(site: Site) -> Iterator[Page | DataFile]:
    """Yield the page that compares any two servers, the sources that it loads, and the pages of the nearest pairs."""
    sources = {(server.spec, server.name): read_both(server) for server in site.servers}
    readable = [server for server in site.servers if sources[server.spec, server.name]]
    beside = {(server.spec, server.name): nearest(site, server, readable) for server in readable}
    yield Page(
        path=INDEX,
        template="diff.html",
        title="Compare two servers",
        context={
            "specs": {
                league.spec: [
                    (server, [(other, pair_path(server, other)) for other in beside[server.spec, server.name]])
                    for server in readable
                    if server.spec == league.spec
                ]
                for league in site.leagues
            },
            "data": _data(site, readable),
        },
        scripts=SCRIPTS,
    )
    for server in readable:
        if source := sources[server.spec, server.name]:
            yield script(server, source)
    yield from _pairs(readable, sources, beside)


def nearest(site: Site, server: SiteServer, among: Sequence[SiteServer]) -> list[SiteServer]:
    """Return the servers nearest to another one by style.

    Args:
        site: the site.
        server: the server.
        among: those to choose from.
    """
    found = neighbours(server.implementation, [other.implementation for other in among])
    return [site.by_key[other.spec, other.name] for other in found]


def _pairs(
    readable: Sequence[SiteServer],
    sources: Mapping[Key, BothForms | None],
    beside: Mapping[Key, Sequence[SiteServer]],
) -> Iterator[Page]:
    """Yield the page of each pair of neighbours; the better one is on the left."""
    made = set()
    for left in readable:
        for right in beside[left.spec, left.name]:
            one, other = sources[left.spec, left.name], sources[right.spec, right.name]
            path = pair_path(left, right)
            if path in made or not one or not other:
                continue
            made.add(path)
            rows = compare(one.plain.lines, other.plain.lines)
            figures = compared(left, right)
            yield Page(
                path=path,
                template="diff_pair.html",
                title=f"{left.name} and {right.name} ({left.spec})",
                context={
                    "left": left,
                    "right": right,
                    "files": (file_name(left), file_name(right)),
                    "figures": figures,
                    "sentences": summary(left, right, figures),
                    "stat": diff_stat(one.plain, other.plain, rows),
                    "rows": table_rows(rows),
                },
                section=INDEX,
            )


def _data(site: Site, readable: Sequence[SiteServer]) -> dict[str, object]:
    """Return what the script needs: the servers of each spec with their figures, and which differences are real.

    A spec without a server whose source is here is left out: there is nothing to choose from.
    """
    specs = []
    for league in site.leagues:
        servers = [server for server in readable if server.spec == league.spec]
        if not servers:
            continue
        specs.append(
            {
                "name": league.spec,
                "canDistinguish": league.can_distinguish,
                "servers": [
                    {
                        "name": server.name,
                        "key": server.key,
                        "language": server.implementation.language,
                        "style": server.implementation.style,
                        "page": server.path,
                        "source": script_path(server),
                        "costs": [[cost.text, cost.value] for cost in costs(server).values()],
                    }
                    for server in servers
                ],
                "better": list(verdicts(league, servers).values()),
            }
        )
    return {"labels": list(LABELS.values()), "tooFew": TOO_FEW, "specs": specs}
