"""The site: every link leads somewhere, nothing comes from elsewhere, and no text of a server becomes markup."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from harness import plugins
from harness.blocks import Entry
from harness.kinds import ReportView
from harness.league.measures import MEASURES
from harness.league.report_card import leagues
from harness.model import Run, Spec
from harness.requirements import text as requirements
from harness.site import sources
from harness.site.badges import badges
from harness.site.data import PROJECT, site_of
from harness.site.page import relative, script_json, slug
from harness.site.pages.league import MEANINGS
from harness.site.pages.league import pages as league_pages
from harness.site.rendering import POLICY
from harness.site.write import write_site
from tests.sample_runs import offered, run_of
from tests.site_pages import (
    ALERT,
    HostilePlugin,
    ParsedPage,
    block_with,
    declared,
    hostile_case,
    pages_in,
    parse,
    passed_case,
    run_with,
)

WEB = ("http", "https", "mailto")
PAGES_ABOUT_FIGURES = ("index", "servers/broadcast/go", "method", "choose")


class NoSpecs:
    """Stands in for the plugins of a harness without documents."""

    @staticmethod
    def specs() -> dict[str, Spec]:
        return {}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostilePlugin]:
    plugin = HostilePlugin(tmp_path_factory.mktemp("hostile"))
    with plugin.registered():
        yield plugin


@pytest.fixture(scope="module")
def folder(hostile: HostilePlugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a run with a hostile server, servers of the zoo, and one that failed a case."""
    spec = plugins.specs()["broadcast"]
    requirement = next(iter(requirements.of(spec).values()))
    cases = [hostile_case("threads", requirement)]
    cases += [passed_case(name, requirement) for name in (ALERT, "asyncio", "go")]
    run = run_with(hostile.recorded, *declared("asyncio", "go", "threads"), cases=cases)
    folder = tmp_path_factory.mktemp("site")
    write_site(run, folder)
    return folder


@pytest.fixture(scope="module")
def site_pages(folder: Path) -> dict[Path, ParsedPage]:
    return dict(pages_in(folder))


def test_every_kind_of_page_is_there(folder: Path) -> None:
    for name in ("index", "plots", "conformance", "servers/index", "diff", "choose", "specs/index", "method", "search"):
        assert (folder / f"{name}.html").is_file()
    assert (folder / "servers/broadcast/asyncio.html").is_file()
    assert (folder / "docs/method.html").is_file()


def test_every_link_leads_to_a_page_of_the_site_with_that_anchor(
    folder: Path, site_pages: dict[Path, ParsedPage]
) -> None:
    broken = []
    for file, page in site_pages.items():
        for name, attributes in page.elements:
            for key in {"href", "src", "action"} & attributes.keys():
                parts = urlsplit(attributes[key])
                if parts.scheme in WEB and name == "a":
                    continue
                target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
                anchors = site_pages[target].ids if target in site_pages else []
                is_broken = parts.scheme or parts.netloc or not target.is_file() or not target.is_relative_to(folder)
                if is_broken or (parts.fragment and unquote(parts.fragment) not in anchors):
                    broken.append(f"{file.relative_to(folder)}: <{name} {key}={attributes[key]!r}>")
    assert broken == []


def test_pages_are_well_formed_and_their_ids_differ(site_pages: dict[Path, ParsedPage]) -> None:
    for file, page in site_pages.items():
        assert page.problems == [], file
        assert sorted(page.ids) == sorted(set(page.ids)), file
        assert [name for name, _ in page.elements].count("h1") >= 1, file


def test_every_page_has_the_policy_and_nothing_that_it_forbids(site_pages: dict[Path, ParsedPage]) -> None:
    for file, page in site_pages.items():
        policies = [each for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
        assert [each["content"] for each in policies] == [POLICY], file
        for name, attributes in page.elements:
            assert name not in {"style", "iframe", "object", "embed", "base"}, file
            assert "style" not in attributes, file
            assert not any(key.startswith("on") for key in attributes), file
            if name == "script":
                assert "src" in attributes or attributes["type"] == "application/json", file


def test_what_a_server_brings_along_is_text(folder: Path, site_pages: dict[Path, ParsedPage]) -> None:
    """Its name, language, style, summary, README, source and the messages of its cases have markup in them."""
    for file, page in site_pages.items():
        assert not [each for each in page.all("img") if each.get("src", "x") == "x"], file
        for attributes in page.all("a"):
            assert urlsplit(attributes.get("href", "")).scheme in ("", *WEB), file
        for script in page.scripts:
            assert not script.strip() or json.loads(script), file  # data only
    own = parse(folder / "servers/broadcast" / f"{slug(ALERT)}.html")
    for text in (ALERT, f"{ALERT}lang", '" onmouseover="alert(1)', f"{ALERT} & more", f'print("{ALERT}</pre>")'):
        assert text in own.text
    links = {attributes.get("href", "") for attributes in own.all("a")}
    assert {"https://elsewhere.example/?a=1&b=2", "mailto:a@b.example"} <= links
    assert ALERT in site_pages[folder / "index.html"].text


def test_names_of_files_are_plain(folder: Path) -> None:
    for file in folder.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", file.name), file


def test_nothing_says_where_this_machine_has_the_project(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert str(PROJECT).encode() not in data, file
            assert str(tmp_path_factory.getbasetemp()).encode() not in data, file


def test_scripts_get_data_that_cannot_end_their_element() -> None:
    data = {"name": f"{ALERT}<!--&\u2028'\""}
    assert json.loads(script_json(data)) == data
    assert not set("<>&\u2028") & set(script_json(data))


def test_the_same_name_has_the_same_slug_and_different_names_have_different_slugs() -> None:
    names = ["go", "c_epoll", "Go", "go-1234abcd", "../go", "go/../go", "", ".", "..", ALERT, "ä", "a" * 300, "a" * 301]
    slugs = [slug(name) for name in names]
    assert slugs[:2] == ["go", "c_epoll"]
    assert len({each.lower() for each in slugs}) == len(names)
    for name, made in zip(names, slugs, strict=True):
        assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,59}", made)
        assert slug(name) == made
        assert slug(made) != made or made == name


@pytest.mark.parametrize(
    ("target", "page", "link"),
    [
        ("index.html", "index.html", "index.html"),
        ("index.html", "servers/broadcast/go.html", "../../index.html"),
        ("servers/broadcast/go.html#source", "servers/index.html", "broadcast/go.html#source"),
        ("docs/method.html#h-load", "docs/method.html", "#h-load"),
        ("static/site.css", "plots.html", "static/site.css"),
    ],
)
def test_links_are_relative(target: str, page: str, link: str) -> None:
    assert relative(target, page) == link


def test_an_installed_harness_does_not_publish_the_documents_of_other_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PROJECT is then the folder with all packages; what a spec has beside its text is its own."""
    monkeypatch.setattr(sources, "IS_INSTALLED", True)
    site = site_of(run_of(*(block_with([Entry("one"), Entry("two")], number, "another") for number in range(2))))
    assert not [file for file, _ in sources.documents(site) if file.parent in (PROJECT, PROJECT / "docs")]
    monkeypatch.setattr(sources, "plugins", NoSpecs)
    write_site(site.run, tmp_path)
    assert not (tmp_path / "docs").exists()
    assert "Docs" not in parse(tmp_path / "index.html").text
    for file, page in pages_in(tmp_path):
        assert not [link for link in page.all("a") if "docs/" in link.get("href", "")], file


# --- the league


def league_of(run: Run, folder: Path) -> tuple[ParsedPage, dict[str, list[list[float | None]]]]:
    """Return the first page of the site of a run, and the data of its script about each server."""
    write_site(run, folder)
    page = parse(folder / "index.html")
    (data,) = [script for script in page.scripts if script]
    return page, json.loads(data)["servers"]


def test_the_league_reads_without_scripts_in_its_order(tmp_path: Path) -> None:
    run = run_with(*declared("anyio", "asyncio", "go", "threads"))
    page, _ = league_of(run, tmp_path)
    assert [each["data-server"] for each in page.all("tr") if "data-server" in each] == [
        f"broadcast/{name}" for name in ("threads", "go", "asyncio", "anyio")
    ]
    assert "A does not differ significantly from the best" in page.text
    assert "A/A controls" in page.text
    assert "hidden" in page.all("form")[-1]  # the controls need the script, which shows them


def test_the_tier_on_the_badge_of_a_server_is_on_the_site(tmp_path: Path) -> None:
    run = run_with(*declared("anyio", "asyncio", "go", "threads"))
    write_site(run, tmp_path)
    texts = {badge.path: badge.text for badge in badges(run)}
    for name, letter in (("threads", "A"), ("go", "B"), ("asyncio", "C")):
        assert texts[f"broadcast/{name}-league.svg"].startswith(f"tier {letter}, ")
        words = " ".join(parse(tmp_path / f"servers/broadcast/{name}.html").text.split())
        assert f"Tier {letter} in the score" in words
    scores = re.findall(r'<td class="score">.*?</td>', (tmp_path / "index.html").read_text(), re.DOTALL)
    assert [re.findall(r"tier-(\w)", score) for score in scores] == [["a"], ["b"], ["c"], ["d"]]


def test_the_script_can_compute_the_scores_that_the_page_shows(tmp_path: Path) -> None:
    run = run_with(*declared("anyio", "asyncio", "go", "threads"))
    _, data = league_of(run, tmp_path)
    (league,) = site_of(run).leagues
    assert len(data) == 4
    for row in league.ranked:
        few, every, single, *_ = data[f"broadcast/{row.implementation.name}"]
        ratios = [each[0] for each in (few, every, single)]
        assert row.score is not None
        assert math.exp(sum(ratio or 0 for ratio in ratios) / 3) == pytest.approx(row.score.value, rel=0.002)
    best, second = (data[f"broadcast/{name}"] for name in ("threads", "go"))
    assert best[0][:3] == [0.0, None, None]  # the best has no interval: it is compared with itself
    low, high = second[0][1:3]
    assert low is not None and high is not None and low < second[0][0] < high  # type: ignore[operator]


def test_the_page_is_ordered_as_the_user_wants(tmp_path: Path) -> None:
    run = run_with(*declared("anyio", "asyncio", "go", "threads"))
    view = ReportView(by="memory")
    write_site(run, tmp_path, view=view)
    (league,) = leagues(run, "memory")
    page = (tmp_path / "index.html").read_text()
    order = [page.index(f'data-server="broadcast/{row.implementation.name}"') for row in league.ranked]
    assert order == sorted(order)
    assert 'name="weight-memory" min="0" max="5" step="0.5" value="1.0"' in page
    assert "in three throughputs" not in page
    assert "the ratio to the best in memory" in (tmp_path / "servers/broadcast/go.html").read_text()
    for name in ("servers/broadcast/go", "choose"):
        assert "three throughputs" not in (tmp_path / f"{name}.html").read_text()


@pytest.mark.parametrize(
    ("weights", "slider"),
    [
        ({"few": 10.0, "p99": 1.0}, 'name="weight-few" min="0" max="10.0" step="0.5" value="10.0"'),
        ({"few": 0.25, "p99": 1.0}, 'name="weight-few" min="0" max="5" step="any" value="0.25"'),
    ],
)
def test_the_sliders_have_room_for_the_weights_that_the_page_was_made_with(
    weights: dict[str, float], slider: str, tmp_path: Path
) -> None:
    """A browser changes the value of a slider to one that it can have, and the order with it."""
    write_site(run_with(*declared("asyncio", "go")), tmp_path, view=ReportView(weights=weights))
    assert slider in (tmp_path / "index.html").read_text()


def test_a_run_without_blocks_shows_the_figures_of_its_other_workloads(tmp_path: Path) -> None:
    """As `harness bench --cluster` makes one: a search for the capacity, with the load on another machine."""
    trials = [offered(name, rate, rate / 1e4, spec="broadcast") for name in ("go", "asyncio") for rate in (100, 200)]
    spread = [msgspec.structs.replace(each, machine="red", load_machines=("blue",)) for each in trials]
    write_site(run_of(*spread), tmp_path)
    text = {name: " ".join(parse(tmp_path / f"{name}.html").text.split()) for name in PAGES_ABOUT_FIGURES}
    assert "No server is ranked: only other workloads were measured." in text["index"]
    assert "2 not ranked" not in text["index"] and "not measured" not in text["index"]
    for page in ("index", "servers/broadcast/go"):
        assert "Other workloads" in text[page] and "server on red, load from blue" in text[page]
    assert "Nothing was measured" not in text["method"]
    chooser = [each["value"] for each in parse(tmp_path / "plots.html").all("input") if each.get("name") == "server"]
    assert sorted(chooser) == ["asyncio", "go"]
    assert "not measured" not in text["choose"]


def test_every_measure_is_explained() -> None:
    assert MEANINGS.keys() == MEASURES.keys()


def test_every_column_of_the_league_is_explained(tmp_path: Path) -> None:
    run = run_with(*declared("anyio", "go"))
    page, _ = league_of(run, tmp_path)
    explained = page.text.partition("How to read it")[2]
    (table, *_) = league_pages(site_of(run))
    for column in table.context["tables"][0].columns:
        if column.title not in ("language", "style"):
            assert f" {column.title} {column.meaning[:12]}" in " ".join(explained.split()), column.title


def test_a_large_zoo_has_a_first_page_below_a_megabyte(tmp_path: Path) -> None:
    """Sixty servers of each of three specs, with names and styles as they are."""
    entries = [Entry(f"server_number_{number}") for number in range(60)]
    specs = ("broadcast", "channels", "groupchat")
    blocks = [block_with(entries, number, spec) for spec in specs for number in range(6)]
    run = run_of(*blocks)
    page, data = league_of(run, tmp_path)
    assert len(data) == 180
    loaded = [tmp_path / each["src"] for each in page.all("script") if "src" in each]
    loaded += [tmp_path / each["href"] for each in page.all("link")]
    assert sum(file.stat().st_size for file in [tmp_path / "index.html", *loaded]) <= 1_000_000
