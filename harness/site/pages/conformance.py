"""The pages of servers × requirements and of cases × servers, and those that their cells open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.model import Verdict
from harness.report.facts import reported_facts, usage_text
from harness.requirements.coverage import cases_of
from harness.site.data import Site, SiteServer, spec_path
from harness.site.highlight import highlight
from harness.site.inline_code import with_code
from harness.site.page import DataFile, Page, Passage, relative, slug
from harness.site.requirement_results import (
    BROKEN,
    GRAVEST_FIRST,
    MEANINGS,
    SIGNS,
    RequirementResult,
    area,
    case_anchor,
    cases_path,
    requirement_anchor,
    requirement_ids,
    results_of,
    server_conformance_path,
)

INDEX = "conformance.html"
SCRIPTS = ("conformance.js",)
LONGEST_TEXT = 50_000  # characters of a transcript or a script that a page shows


@dataclass(frozen=True)
class Tested:
    """A spec in a run.

    Attributes:
        name: of the spec.
        servers: that were checked, in the order of the league.
        unchecked: the others, whose row says why.
        ids: of its requirements.
        results: by the key of a server, how it does in each of them.
        numbers: of its cases, by the id of their functions; empty where it is not installed.
    """

    name: str
    servers: Sequence[SiteServer]
    unchecked: Sequence[SiteServer]
    ids: Sequence[str]
    results: Mapping[str, Sequence[RequirementResult]]
    numbers: Mapping[str, int]

    @property
    def tried(self) -> Sequence[str]:
        """The requirements of which some server has a verdict."""
        return [
            identifier
            for place, identifier in enumerate(self.ids)
            if any(self.results[server.key][place].verdict for server in self.servers)
        ]

    @property
    def requirements_path(self) -> str:
        """The path of the page of servers × requirements."""
        return f"conformance/{slug(self.name)}/requirements.html"

    @property
    def cases_path(self) -> str:
        """The path of the page of cases × servers."""
        return f"conformance/{slug(self.name)}/cases.html"

    @property
    def broken(self) -> Sequence[tuple[SiteServer, RequirementResult]]:
        """What does not hold."""
        return [
            (server, result)
            for server in self.servers
            for result in self.results[server.key]
            if result.verdict in BROKEN
        ]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        verdict: its verdict.
        sign: the character for it.
        link: what it opens, from the page of the table.
    """

    verdict: Verdict
    sign: str
    link: str


def tested(site: Site) -> list[Tested]:
    """Return what was found out about each spec of a run."""
    found = []
    for league in site.leagues:
        servers, known = site.servers_of(league.spec), site.requirements_of(league.spec)
        ids = requirement_ids(site, league.spec)
        checked = [server for server in servers if server.cases]
        found.append(
            Tested(
                name=league.spec,
                servers=checked,
                unchecked=[server for server in servers if not server.cases],
                ids=ids,
                results={server.key: results_of(server, ids, known) for server in checked},
                numbers={case.id: case.number for case in cases_of(site.specs[league.spec])}
                if league.spec in site.specs
                else {},
            )
        )
    return found


def pages(site: Site) -> Iterator[Page | DataFile]:
    """Yield the pages about conformance, and the scripts that reproduce failures."""
    every = tested(site)
    common = {
        "signs": SIGNS,
        "meanings": MEANINGS,
        "anchor": requirement_anchor,
        "path_of": server_conformance_path,
        "with_code": with_code,
    }
    yield Page(
        path=INDEX,
        template="conformance.html",
        title="Conformance",
        context={**common, "every": every, "is_smoke": site.run.info.smoke},
    )
    for spec in every:
        if not spec.servers:
            continue
        yield _requirements_page(site, spec, common)
        yield _cases_page(spec, common)
        links = _links(site, spec)
        for server in spec.servers:
            yield from _server_pages(spec, server, {**common, **links})


def _requirements_page(site: Site, spec: Tested, common: Mapping[str, object]) -> Page:
    tried = spec.tried
    places = [spec.ids.index(identifier) for identifier in tried]
    areas = [(name, len(list(its))) for name, its in groupby(tried, area)]
    rows = []
    for server in spec.servers:
        path = relative(server_conformance_path(server), spec.requirements_path)
        results = [spec.results[server.key][place] for place in places]
        cells = [_cell(result.verdict, f"{path}#{requirement_anchor(result.id)}") for result in results]
        rows.append((server, path, cells))
    return Page(
        path=spec.requirements_path,
        template="conformance_requirements.html",
        title=f"{spec.name}: servers and requirements",
        context={
            **common,
            "spec": spec,
            "known": site.requirements_of(spec.name),
            "area": area,
            "areas": areas,
            "rows": rows,
        },
        scripts=SCRIPTS,
        section=INDEX,
    )


def _cases_page(spec: Tested, common: Mapping[str, object]) -> Page:
    results = {server.key: {case.id: case for case in server.cases} for server in spec.servers}
    paths = {server.key: relative(server_conformance_path(server), spec.cases_path) for server in spec.servers}
    numbers = spec.numbers
    first = {case.id: case for server in spec.servers for case in server.cases}
    rows = []
    for case in sorted(first.values(), key=lambda case: (numbers.get(function_of(case.id), 0), case.id)):
        cells = [
            _cell(
                results[server.key][case.id].verdict if case.id in results[server.key] else None,
                f"{paths[server.key]}#{case_anchor(case.id)}",
            )
            for server in spec.servers
        ]
        rows.append((case, function_of(case.id) in numbers, cells))
    return Page(
        path=spec.cases_path,
        template="conformance_cases.html",
        title=f"{spec.name}: cases and servers",
        context={
            **common,
            "spec": spec,
            "rows": rows,
            "sources": cases_path(spec.name),
            "case_anchor": lambda case: case_anchor(function_of(case)),
            "paths": paths,
        },
        scripts=SCRIPTS,
        section=INDEX,
    )


def function_of(case: str) -> str:
    """Return the id of a case without its parameters."""
    return case.partition("[")[0]


def _cell(verdict: Verdict | None, link: str) -> Cell | None:
    return Cell(verdict, SIGNS[verdict], link) if verdict else None


def _links(site: Site, spec: Tested) -> dict[str, Mapping[str, str]]:
    """Return the links to requirements and to sources of cases, which are the same on all pages about servers."""
    page = server_conformance_path(spec.servers[0])
    text, sources = relative(spec_path(spec.name), page), relative(cases_path(spec.name), page)
    cases = {case.id: function_of(case.id) for server in spec.servers for case in server.cases}
    return {
        "requirement_links": {each: f"{text}#{requirement_anchor(each)}" for each in site.requirements_of(spec.name)},
        "source_links": {
            case: f"{sources}#{case_anchor(function)}" for case, function in cases.items() if function in spec.numbers
        },
    }


def _server_pages(spec: Tested, server: SiteServer, common: Mapping[str, object]) -> Iterator[Page | DataFile]:
    """Yield the page about the conformance of a server, and the scripts that reproduce its failures.

    Args:
        spec: its spec.
        server: the server.
        common: the variables of all these pages.
    """
    results, path = spec.results[server.key], server_conformance_path(server)
    kept = [result for result in results if result.verdict and result.verdict not in BROKEN]
    broken = [result for result in results if result.verdict in BROKEN]
    scripts = {
        case.id: f"scripts/{slug(case.evidence.file)}.py"
        for case in server.cases
        if case.evidence and case.evidence.script
    }
    # A case that several requirements have is shown with the first of them, and named with the others.
    home: dict[str, str] = {}
    for result in sorted([*broken, *kept], key=lambda result: GRAVEST_FIRST.index(result.verdict or Verdict.PASS)):
        for case in result.cases:
            home.setdefault(case.id, result.id)
    yield Page(
        path=path,
        template="conformance_server.html",
        title=f"{server.name}: conformance to {server.spec}",
        context={
            **common,
            "server": server,
            "spec": spec,
            "broken": broken,
            "kept": kept,
            "untried": [result.id for result in results if not result.verdict],
            "home": home,
            "scripts": scripts,
            "facts": reported_facts(server.cases),
            "cut": cut,
            "highlighted": lambda script: highlight(cut(script), language="python"),
            "case_anchor": case_anchor,
            "usage_text": usage_text,
        },
        section=INDEX,
        passages=[
            Passage(requirement_anchor(each.id), f"{each.id}: {each.verdict}", _message(each)) for each in broken
        ],
    )
    for case in server.cases:
        if case.id in scripts and case.evidence:
            yield DataFile(scripts[case.id], case.evidence.script.encode(errors="backslashreplace"))


def _message(result: RequirementResult) -> str:
    return "\n".join(case.message for case in result.cases if case.message)


def cut(text: str) -> str:
    """Return a text, or its beginning where it is very long."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…\n({len(text)} characters)"
