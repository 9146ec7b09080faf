"""The pages of the specs: the text, each requirement with its cases and the servers that miss it; and the cases."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from harness.model import Requirement, Spec, Verdict
from harness.requirements.coverage import CaseSource, cases_of
from harness.requirements.text import HEADING
from harness.site.data import Site, SiteServer, spec_path
from harness.site.highlight import highlight
from harness.site.inline_code import paragraphs
from harness.site.markdown import Markdown
from harness.site.page import Page, Passage
from harness.site.requirement_results import (
    BROKEN,
    SIGNS,
    case_anchor,
    cases_path,
    requirement_anchor,
    results_of,
    server_conformance_path,
)
from harness.site.sources import targets

INDEX = "specs/index.html"


@dataclass(frozen=True)
class Section:
    """A part of the text of a spec: one requirement, or what stands between two.

    Attributes:
        text: its Markdown.
        id: of the requirement; "" for another part.
    """

    text: str
    id: str = ""


@dataclass(frozen=True)
class Holds:
    """How a requirement does in the run.

    Attributes:
        tried: how many servers have a verdict on it.
        missing: the servers that miss it, with their verdicts.
    """

    tried: int
    missing: Sequence[tuple[SiteServer, Verdict]]


def pages(site: Site) -> Iterator[Page]:
    """Yield the list of specs, and for each its text and its cases."""
    sources = {name: cases_of(spec) for name, spec in site.specs.items()}
    holds = {name: _holds(site, name) for name in site.specs}
    yield Page(
        path=INDEX,
        template="specs.html",
        title="Specs",
        context={"sources": sources, "holds": holds, "cases_path": cases_path, "summary_of": _title},
    )
    markdown = Markdown(targets(site))
    for name, spec in site.specs.items():
        text = spec.text.read_text("utf-8")
        common = {
            "spec": spec,
            "signs": SIGNS,
            "holds": holds[name],
            "anchor": requirement_anchor,
            "case_anchor": case_anchor,
            "cases_path": cases_path(name),
            "path_of": server_conformance_path,
        }
        cases_by_id: dict[str, list[CaseSource]] = {}
        for case in sources[name]:
            for identifier in case.requirements:
                cases_by_id.setdefault(identifier, []).append(case)
        path, taken = spec_path(name), set[str]()
        rendered = [
            (section.id, markdown.render(section.text, file=spec.text, page=path, taken=taken))
            for section in sections(text)
        ]
        yield Page(
            path=path,
            template="spec.html",
            title=name,
            context={**common, "sections": rendered, "cases_by_id": cases_by_id},
            section=INDEX,
            passages=markdown.passages(text),
        )
        yield _cases_page(spec, sources[name], common, site.requirements_of(name))


def sections(text: str) -> list[Section]:
    """Return the parts of the text of a spec: each requirement, and what stands between them."""
    found, lines, current = list[Section](), list[str](), ""

    def end() -> None:
        if lines:
            found.append(Section("\n".join(lines) + "\n", current))
            lines.clear()

    for line in text.splitlines():
        heading = HEADING.match(line)
        if heading or (current and line.startswith("#")):
            end()
            current = heading["id"] if heading else ""
        lines.append(line)
    end()
    return found


def _holds(site: Site, spec: str) -> Mapping[str, Holds]:
    """Return how each requirement of a spec does in the run, by id."""
    known = site.requirements_of(spec)
    results = {server.key: results_of(server, known, known) for server in site.servers_of(spec)}
    found = {}
    for place, identifier in enumerate(known):
        verdicts = [(server, results[server.key][place].verdict) for server in site.servers_of(spec)]
        tried = [(server, verdict) for server, verdict in verdicts if verdict]
        missing = [(server, verdict) for server, verdict in tried if verdict in BROKEN]
        found[identifier] = Holds(len(tried), missing)
    return found


def _cases_page(
    spec: Spec, cases: Sequence[CaseSource], common: Mapping[str, object], known: Mapping[str, Requirement]
) -> Page:
    """Return the page with the cases of a spec.

    Args:
        spec: the spec.
        cases: its cases.
        common: the variables of all pages of the spec.
        known: the requirements, by id.
    """
    return Page(
        path=cases_path(spec.name),
        template="spec_cases.html",
        title=f"{spec.name}: cases",
        context={
            **common,
            "cases": cases,
            "known": known,
            "paragraphs": paragraphs,
            "source_of": lambda case: _highlighted(case.source),
            "file_of": lambda case: f"{case.file.parent.name}/{case.file.name}",
        },
        section=INDEX,
        passages=[Passage(case_anchor(case.id), case.id.replace("_", " "), case.text) for case in cases],
    )


@cache
def _highlighted(source: str) -> str:
    # The shared cases are on the page of every spec, and colours take time.
    return highlight(textwrap.dedent(source), language="python")


def _title(spec: Spec) -> str:
    """Return what a spec is, from the first heading of its text."""
    first = spec.text.read_text("utf-8").partition("\n")[0]
    return first.lstrip("# ").partition(": ")[2] or first.lstrip("# ")
