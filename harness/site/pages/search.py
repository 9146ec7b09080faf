"""The search: a page, and an index of all pages as a script, because a page from a file cannot load anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.site.data import Site
from harness.site.page import DataFile, Page, script_json


def pages(site: Site, found: Sequence[Page]) -> Iterator[Page | DataFile]:
    """Yield the page of the search, and its index.

    Args:
        site: the site.
        found: the pages to find.
    """
    entries = [[page.path, page.title, page.text] for page in found]
    yield DataFile("search-index.js", f"window.searchIndex = {script_json(entries)};\n")
    yield Page(path="search.html", template="search.html", title="Search", context={"pages": found})
