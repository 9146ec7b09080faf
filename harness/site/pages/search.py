"""The search: a page, and an index of all pages as a script, because a page from a file cannot load anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.site.page import DataFile, Page, script_json

INDEX = "search-index.js"
# What Markdown has beside words: targets of links, marks of emphasis, code and tables.
MARKS = re.compile(r"\]\([^)\s]*\)|[*`|\[\]]|^[#>]+ |^-{3,}$|[-=]{4,}", re.MULTILINE)


def pages(found: Sequence[Page]) -> Iterator[Page | DataFile]:
    """Yield the page of the search, and its index.

    Args:
        found: the pages to find.
    """
    entries = []
    for page in found:
        passages = [(each.anchor, each.title, _words(each.text)) for each in page.passages] or [("", "", "")]
        entries.append([page.path, page.title, passages])
    yield DataFile(INDEX, f"window.searchIndex = {script_json(entries)};\n")
    folders: dict[str, list[Page]] = {}
    for page in found:
        folders.setdefault(page.section or page.path, []).append(page)
    titles = {page.path: page.title for page in found}
    groups = [(titles.get(section, section), members) for section, members in folders.items()]
    yield Page(
        path="search.html",
        template="search.html",
        title="Search",
        context={"groups": groups, "index": INDEX},
        scripts=("search.js",),
    )


def _words(text: str) -> str:
    """Return a text in Markdown as plain words in one line."""
    return " ".join(MARKS.sub(" ", text).split())
