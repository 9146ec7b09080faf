"""The comparison of two servers on the site: figures, sources as scripts, and pages of the nearest pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.blocks import Entry, Role
from harness.diff.compare import compare
from harness.diff.source import SourceLine, read
from harness.league.measures import MEASURES
from harness.model import Implementation, Run
from harness.site.costs import LABELS, compared, costs, summary, verdicts
from harness.site.data import Site, site_of
from harness.site.diff_table import table_rows
from harness.site.page import DataFile, Page, slug
from harness.site.pages import diff
from harness.site.source_scripts import read_both, script
from harness.site.write import write_site
from tests.simulated_runs import run_of as simulated
from tests.site_pages import ALERT, HOSTILE_SOURCE, HostilePlugin, declared, parse, run_with

NAMES = ("asyncio", "threads", "selectors", "go")


def zoo_run() -> Run:
    """Return a run of servers of the zoo, whose sources are here; each is twice as fast as the one before."""
    return run_with(*declared(*NAMES))


@pytest.fixture(scope="module")
def site() -> Site:
    return site_of(zoo_run())


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[HostilePlugin]:
    (tmp_path / "server").mkdir()
    plugin = HostilePlugin(tmp_path / "server")
    with plugin.registered():
        yield plugin


def received(file: DataFile) -> tuple[str, dict[str, list[object]]]:
    """Return what a script with a source hands over: the key of the server, and its source."""
    found = re.fullmatch(r"receiveSource\((.*?),(\{.*\})\);\n", str(file.data).replace(", {", ",{", 1), re.DOTALL)
    assert found
    return json.loads(found[1]), json.loads(found[2])


# --- figures


def test_every_measure_has_a_label_in_the_order_of_the_verdicts(site: Site) -> None:
    assert list(LABELS)[: len(MEASURES)] == list(MEASURES)
    assert list(verdicts(site.leagues[0], site.servers)) == list(MEASURES)
    assert costs(site.servers[0]).keys() == LABELS.keys()


def test_the_better_of_two_is_named_only_where_the_difference_is_significant() -> None:
    by_name = site_of(simulated({"one": 4e6, "two": 2e6, "three": 2.001e6}, noise=0.02)).by_key
    one, two, three = (by_name["broadcast", name] for name in ("one", "two", "three"))
    (few, *_) = compared(two, one)
    assert (few.label, few.ratio, few.better, few.is_tested) == ("few senders, M/s", "0.50", "one", True)
    (few, *_) = compared(two, three)
    assert (few.better, few.is_tested) == ("", True)
    assert summary(two, three, compared(two, three)) == ["Undecided: few senders, all send, one in flight."]
    assert summary(one, two, compared(one, two)) == [
        "one is significantly better in few senders, all send, one in flight."
    ]


def test_the_verdicts_are_those_of_the_league_in_the_order_of_the_page() -> None:
    site = site_of(simulated({"slow": 1e6, "fast": 4e6}, control="slow"))
    slow, fast = site.by_key["broadcast", "slow"], site.by_key["broadcast", "fast"]
    assert verdicts(site.leagues[0], [slow, fast])["few"] == ["00", "10"]
    assert verdicts(site.leagues[0], [fast, slow])["few"] == ["01", "00"]


def test_a_verdict_is_that_of_the_server_and_not_of_its_control() -> None:
    site = site_of(simulated({"slow": 1e6, "fast": 4e6}, control="fast"))
    league = site.leagues[0]
    comparisons = league.by_measure["few"]
    better = comparisons.better.copy()
    better[comparisons.index(Entry("fast", Role.CONTROL))] = False
    league = replace(league, by_measure={"few": replace(comparisons, better=better)})
    assert verdicts(league, [site.by_key["broadcast", name] for name in ("fast", "slow")])["few"] == ["01", "00"]


# --- sources


def test_a_source_is_handed_over_as_it_is_and_without_comments_and_imports(site: Site) -> None:
    server = site.by_key["broadcast", "asyncio"]
    source = read_both(server)
    assert source and server.source
    key, content = received(script(server, source))
    assert key == "broadcast/asyncio"
    texts = [line[0] for line in content["lines"]]  # type: ignore[index]
    assert "\n".join(map(str, texts)) == server.source.read_text().rstrip("\n")
    plain = [texts[each - 1] if isinstance(each, int) else each[1] for each in content["plain"]]  # type: ignore[index]
    assert plain == [line.text for line in read("", server.source, with_comments=False, with_imports=False).lines]
    assert not [text for text in plain if str(text).startswith(("import", "from", "#"))]
    for line in content["lines"]:
        assert isinstance(line, list)
        text, inside = line
        if found := re.match(r"(?:async )?def (\w+)", text):
            assert content["functions"][inside] == found[1]


def test_a_source_that_is_no_python_is_compared_as_it_is(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def f(:\n    # a comment\n")
    server = type(site.servers[0])(site.servers[0].row, site.servers[0].league, broken)
    source = read_both(server)
    assert source and source.plain == source.full
    broken.write_bytes(b"\0\1")
    assert read_both(server) is None


def test_every_server_has_its_script_and_its_three_nearest_have_pages(site: Site) -> None:
    parts = list(diff.pages(site))
    index = parts[0]
    assert isinstance(index, Page)
    data = index.context["data"]
    wanted = {server["source"] for spec in data["specs"] for server in spec["servers"]}
    assert wanted == {part.path for part in parts if isinstance(part, DataFile)}
    pairs = {part.path for part in parts[1:] if isinstance(part, Page)}
    assert pairs == {f"diff/broadcast/{one}--{other}.html" for one in NAMES for other in NAMES if one < other}
    assert {path for rows in index.context["specs"].values() for _, near in rows for _, path in near} == pairs


def test_both_orders_of_two_servers_have_one_page(site: Site) -> None:
    one, other = site.servers[:2]
    assert diff.pair_path(one, other) == diff.pair_path(other, one)


def test_a_page_of_two_shows_all_changed_lines_with_the_words_that_differ(site: Site) -> None:
    one, other = (read_both(site.by_key["broadcast", name]) for name in ("asyncio", "threads"))
    assert one and other
    rows = compare(one.plain.lines, other.plain.lines)
    text = str(table_rows(rows))
    assert text.count('<tr class="changed">') == sum(row.is_changed for row in rows)
    assert text.count('<tr class="removed">') == sum(row.right is None for row in rows)
    assert text.count('<tr class="added">') == sum(row.left is None for row in rows)
    assert "<mark>" in text


def test_the_text_of_a_source_is_no_markup_and_invisible_characters_are_visible() -> None:
    same = f"a {ALERT} same"
    rows = compare(
        [SourceLine(1, f"{same} <b>\u202e {same}"), SourceLine(2, ALERT)],
        [SourceLine(1, f"{same} <i>\x1b {same}"), SourceLine(2, f"another {ALERT} than before, so that it is no pair")],
    )
    text = str(table_rows(rows))
    assert set(re.findall(r"</?\w+", text)) == {"<tr", "</tr", "<td", "</td", "<mark", "</mark"}
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6
    assert "\u202e" not in text and "\x1b" not in text


def test_a_hostile_server_is_text_in_the_pages_of_its_pairs(hostile: HostilePlugin, tmp_path: Path) -> None:
    run = run_with(hostile.recorded, *declared("asyncio", "threads"))
    write_site(run, tmp_path / "site")
    page = parse(tmp_path / "site" / "diff" / "broadcast" / f"asyncio--{slug(ALERT)}.html")
    assert ALERT in page.text and HOSTILE_SOURCE.split("#")[0].strip() in page.text
    assert page.problems == [] and not [script for script in page.scripts if script]
    key, content = received(DataFile("", (tmp_path / "site" / f"sources/broadcast/{slug(ALERT)}.js").read_text()))
    assert key == f"broadcast/{slug(ALERT)}"
    assert content["lines"][0][0] == HOSTILE_SOURCE.rstrip("\n")  # type: ignore[index]


def test_a_page_of_a_server_links_to_its_comparisons_with_its_neighbours(tmp_path: Path) -> None:
    write_site(zoo_run(), tmp_path)
    links = {each.get("href", "") for each in parse(tmp_path / "servers" / "broadcast" / "asyncio.html").all("a")}
    found = {link for link in links if link.startswith("../../diff/")}
    assert found == {
        f"../../diff/broadcast/{pair}.html" for pair in ("asyncio--threads", "asyncio--selectors", "asyncio--go")
    }


def test_a_spec_without_sources_here_is_none_that_the_script_can_begin_with() -> None:
    run = zoo_run()
    stranger = Implementation(name="stranger", spec="another")
    info = msgspec.structs.replace(run.info, implementations=(stranger, *run.info.implementations))
    index = next(iter(diff.pages(site_of(Run(info, run.cases, run.trials, run.blocks)))))
    assert isinstance(index, Page)
    assert [spec["name"] for spec in index.context["data"]["specs"]] == ["broadcast"]


def test_servers_without_sources_here_have_no_comparison(tmp_path: Path) -> None:
    write_site(simulated({"unknown": 1e6, "stranger": 2e6}), tmp_path)
    assert "not on the machine" in parse(tmp_path / "diff.html").text
    assert not (tmp_path / "sources").exists()
