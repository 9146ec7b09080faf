"""Writes the site: makes every page from its template, and puts the static files beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.errors import HarnessError
from harness.kinds import DEFAULT_VIEW, ReportView
from harness.model import Run
from harness.site.data import Site, site_of
from harness.site.page import DataFile, Page
from harness.site.pages import choose, conformance, diff, documents, league, method, plots, search, servers, specs
from harness.site.rendering import Templates

STATIC = Path(__file__).parent / "static"
Part = Page | DataFile
# The order is that of the navigation; each takes the site and returns its pages and files.
KINDS: tuple[Callable[[Site], Iterable[Part]], ...] = (
    league.pages,
    plots.pages,
    conformance.pages,
    servers.pages,
    diff.pages,
    choose.pages,
    specs.pages,
    method.pages,
    documents.pages,
)


def write_site(run: Run, folder: Path, run_folder: Path | None = None, view: ReportView = DEFAULT_VIEW) -> int:
    """Write the site of a run into a folder, and return how many pages it has.

    Args:
        run: the run.
        folder: where to write; files of other names in it are left alone.
        run_folder: where the run is on disk, if it is.
        view: how the leagues are ordered at first.

    Raises:
        HarnessError: a file cannot be written.
        UsageError: the packages that make the pages are not installed.
    """
    site = site_of(run, run_folder, view)
    templates = Templates(site)
    made = 0
    try:
        for path, data in _files(site, templates):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            made += path.endswith(".html")
    except OSError as error:
        raise HarnessError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return made


def _files(site: Site, templates: Templates) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file."""
    for part in _parts(site):
        if isinstance(part, Page):
            yield part.path, _encoded(templates.render(part))
        else:
            yield part.path, _encoded(part.data) if isinstance(part.data, str) else part.data
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            yield f"static/{file.relative_to(STATIC).as_posix()}", file.read_bytes()


def _encoded(text: str) -> bytes:
    # A lone surrogate, which stands for a byte that is no UTF-8, is shown as an escape.
    return text.encode("utf-8", "backslashreplace")


def _parts(site: Site) -> Iterator[Part]:
    """Yield all pages and data files; last those of the search, which finds the pages before it."""
    found: list[Page] = []
    for pages in KINDS:
        for part in pages(site):
            if isinstance(part, Page):
                found.append(part)
            yield part
    yield from search.pages(found)
