"""The pages of the specs: the text, its requirements, their cases, and the servers that miss them."""

from __future__ import annotations

from collections.abc import Iterator

from harness.site.data import Site, spec_path
from harness.site.markdown import Markdown
from harness.site.page import Page
from harness.site.sources import targets

INDEX = "specs/index.html"


def pages(site: Site) -> Iterator[Page]:
    """Yield the list of specs, and the page of each."""
    yield Page(path=INDEX, template="specs.html", title="Specs")
    markdown = Markdown(targets(site))
    for name, spec in site.specs.items():
        text, path = spec.text.read_text("utf-8"), spec_path(name)
        body = markdown.render(text, file=spec.text, page=path)
        context = {"spec": spec, "body": body}
        yield Page(
            path=path,
            template="spec.html",
            title=name,
            context=context,
            section=INDEX,
            passages=markdown.passages(text),
        )
