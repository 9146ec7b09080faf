"""The Markdown of the project as pages: `docs/`, the README, and what stands beside the texts of the specs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.site.data import Site
from harness.site.markdown import Markdown
from harness.site.page import Page
from harness.site.sources import documents, targets

INDEX = "docs/index.html"


def pages(site: Site) -> Iterator[Page]:
    """Yield the list of documents, and the page of each; nothing where there are none."""
    markdown = Markdown(targets(site))
    made: list[Page] = []
    for file, path in documents(site):
        text = file.read_text("utf-8")
        body = markdown.render(text, file=file, page=path)
        context = {"body": body}
        made.append(
            Page(
                path,
                "document.html",
                _title(text, file),
                context=context,
                section=INDEX,
                passages=markdown.passages(text),
            )
        )
    if made:
        yield Page(path=INDEX, template="documents.html", title="Docs", context={"documents": made})
        yield from made


def _title(text: str, file: Path) -> str:
    first = next((line for line in text.splitlines() if line.startswith("# ")), f"# {file.stem}")
    return first.removeprefix("# ").strip()
