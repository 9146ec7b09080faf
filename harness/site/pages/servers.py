"""A page for each server, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.markdown import Markdown
from harness.site.page import Page
from harness.site.sources import targets

INDEX = "servers/index.html"


def pages(site: Site) -> Iterator[Page]:
    """Yield the list of servers, and the page of each."""
    yield Page(path=INDEX, template="servers.html", title="Servers")
    markdown = Markdown(targets(site))
    for server in site.servers:
        readme = server.readme.read_text("utf-8", errors="replace") if server.readme else ""
        body = markdown.render(readme, file=server.readme, page=server.path, lower_by=1) if server.readme else ""
        yield Page(
            path=server.path,
            template="server.html",
            title=f"{server.name} ({server.spec})",
            context={"server": server, "readme": body},
            section=INDEX,
            text=readme,
        )
