"""The first page: the report card of each spec."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the page with the leagues."""
    yield Page(path="index.html", template="league.html", title="League")
