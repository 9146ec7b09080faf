"""The page of servers × requirements, and those that its cells open."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site
from harness.site.page import Page


def pages(site: Site) -> Iterator[Page]:
    """Yield the pages about conformance."""
    yield Page(path="conformance.html", template="conformance.html", title="Conformance")
