"""The page that asks five questions and shows the servers that fit."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the page that helps to choose a server."""
    yield Page(path="choose.html", template="choose.html", title="Choose a server")
