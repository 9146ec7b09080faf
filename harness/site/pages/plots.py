"""The page with the plots."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the page with the plots."""
    yield Page(path="plots.html", template="plots.html", title="Plots")
