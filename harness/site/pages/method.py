"""The page that says how the run was measured."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the page about the method."""
    yield Page(path="method.html", template="method.html", title="Method")
