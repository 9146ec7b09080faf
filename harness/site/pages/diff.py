"""The pages that compare two servers."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the pages that compare two servers."""
    yield Page(path="diff.html", template="diff.html", title="Compare two servers")
