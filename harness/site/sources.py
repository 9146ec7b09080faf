"""Which page of the site shows which file of the project: servers' sources and READMEs, specs, and documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness import plugins
from harness.plugins import IS_INSTALLED
from harness.site.data import PROJECT, Site, spec_path
from harness.site.page import slug

DOCUMENTS, SERVERS = "docs", "impls"
# Beside those in docs/, in this order.
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def targets(site: Site) -> dict[Path, str]:
    """Return the path of the page, with an anchor where it is a part of it, for each file that the site shows."""
    found: dict[Path, str] = {}
    for server in site.servers:
        if server.source:
            found.setdefault(server.source.resolve(), f"{server.path}#source")
        if server.readme:
            found.setdefault(server.readme.resolve(), server.path)
    for name, spec in site.specs.items():
        found[spec.text.resolve()] = spec_path(name)
    for file, path in documents(site):
        found.setdefault(file.resolve(), path)
    return found


def _own_documents() -> Iterator[tuple[Path, str]]:
    for name in AT_THE_ROOT:
        if (PROJECT / name).is_file():
            yield PROJECT / name, f"{DOCUMENTS}/{slug(Path(name).stem.lower())}.html"
    # A README below the folder of a server is that of a library which is a part of it.
    for folder, pattern in ((PROJECT / DOCUMENTS, "**/*.md"), (PROJECT / SERVERS, "*/*/**/*.md")):
        for file in sorted(folder.glob(pattern)):
            parts = map(str.lower, file.relative_to(folder).with_suffix("").parts)
            yield file, f"{DOCUMENTS}/{slug('-'.join(parts))}.html"


def documents(site: Site) -> Iterator[tuple[Path, str]]:
    """Yield the Markdown files that are pages of their own, with the paths of their pages."""
    if not IS_INSTALLED:  # files around an installed package are those of others
        yield from _own_documents()
    texts = {spec.text.resolve() for spec in site.specs.values()}  # which have pages with more than the text
    for spec in plugins.specs().values():
        for file in sorted(spec.text.parent.rglob("*.md")):
            if file.resolve() not in texts:
                parts = map(str.lower, file.relative_to(spec.text.parent).with_suffix("").parts)
                yield file, f"{DOCUMENTS}/{slug('-'.join(('spec', spec.name, *parts)))}.html"
