"""The site in Chromium, opened from its folder: scripts, links, and faults of accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from harness.kinds import ReportView
from harness.site.page import slug
from harness.site.write import write_site
from tests.site_browser import SiteVisit, visit
from tests.site_pages import ALERT, HostilePlugin, declared, run_with

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.exhaustive  # starts a browser, and looks at every kind of page

SERVERS = "table.report-card tbody tr"
# Each is twice as fast as the one before it, and uses twice as much memory.
BY_SPEED = ["threads", "go", "asyncio", ALERT]
KINDS_OF_PAGES = (
    "index.html",
    "plots.html",
    "conformance.html",
    "servers/index.html",
    "servers/broadcast/go.html",
    f"servers/broadcast/{slug(ALERT)}.html",
    "diff.html",
    "choose.html",
    "specs/index.html",
    "specs/broadcast.html",
    "method.html",
    "docs/index.html",
    "docs/method.html",
    "search.html",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site of a run of a hostile server and three of the zoo."""
    plugin = HostilePlugin(tmp_path_factory.mktemp("hostile"))
    folder = tmp_path_factory.mktemp("site")
    with plugin.registered():
        write_site(run_with(plugin.recorded, *declared("asyncio", "go", "threads")), folder)
    yield folder


def shown(page: Page) -> list[str]:
    """Return the names of the servers in the table, in their order, without those that a filter hides."""
    names = page.locator(f"{SERVERS}:visible th").all_text_contents()
    return [name.strip() for name in names]


def test_the_league_is_sorted_by_a_click_and_back_by_another(site: SiteVisit) -> None:
    page = site.open("index.html")
    assert shown(page) == BY_SPEED
    memory = page.get_by_role("button", name="idle MB")
    memory.click()
    assert shown(page) == BY_SPEED[::-1]
    assert page.locator("th[aria-sort=ascending]").inner_text().strip() == "idle MB"
    assert page.get_by_role("status").inner_text() == "4 of 4 servers. broadcast: sorted by idle MB, ascending."
    memory.click()
    assert shown(page) == BY_SPEED
    page.get_by_role("button", name="server", exact=True).click()
    assert shown(page) == sorted(BY_SPEED)


def test_equals_come_in_the_order_of_the_league_and_not_in_that_of_the_click_before(site: SiteVisit) -> None:
    page = site.open("index.html")
    page.get_by_role("button", name="server", exact=True).click()
    page.locator(SERVERS).evaluate_all("rows => rows.forEach((row) => { row.cells[2].dataset.v = '1'; })")
    page.get_by_role("button", name="score %", exact=True).click()
    assert shown(page) == BY_SPEED


def test_the_order_follows_the_chosen_measure_and_goes_back(site: SiteVisit) -> None:
    page = site.open("index.html")
    before = page.locator(SERVERS).all_inner_texts()
    page.get_by_label("Measure").select_option("memory")
    assert shown(page) == BY_SPEED[::-1]
    assert page.locator(f"{SERVERS} .value").all_text_contents()[:3] == ["100", "50", "25"]
    assert "Ordered by memory" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Reset").click()
    # The browser resets the fields first, and the script orders the rows in a turn of its own after that.
    page.get_by_role("status").filter(has_text="Ordered by the score.").wait_for()
    assert page.locator(SERVERS).all_inner_texts() == before


def test_the_order_follows_the_weights(site: SiteVisit) -> None:
    page = site.open("index.html")
    for name, weight in (("few", 0), ("all", 0), ("single", 1), ("memory", 5)):
        page.locator(f"input[name=weight-{name}]").fill(str(weight))
    assert shown(page) == BY_SPEED[::-1]
    assert page.get_by_label("Measure").input_value() == "own"
    assert "harness report --weight single=1,memory=5" in page.get_by_role("status").inner_text()
    page.locator("input[name=weight-memory]").fill("0.5")
    assert shown(page) == BY_SPEED
    page.locator("input[name=weight-memory]").fill("0")
    assert page.get_by_label("Measure").input_value() == "single"
    page.locator("input[name=weight-single]").fill("0")
    assert "there is no order" in page.get_by_role("status").inner_text()


def test_any_weights_keep_the_order_that_the_page_was_made_with(browser: Browser, tmp_path: Path) -> None:
    view = ReportView(weights={"few": 0.25, "memory": 10.0})
    write_site(run_with(*declared("asyncio", "go", "threads")), tmp_path, view=view)
    with visit(browser, tmp_path) as visited:
        page = visited.open("index.html")
        assert shown(page) == ["asyncio", "go", "threads"]
        assert page.get_by_role("status").inner_text().endswith("Ordered by the score.")
        assert page.locator(f"{SERVERS} .ends").all_text_contents()[1].startswith("[")


def test_filters_leave_the_servers_that_fit(site: SiteVisit) -> None:
    page = site.open("index.html")
    page.get_by_label("Language").select_option("Python")
    assert shown(page) == ["threads", "asyncio"]
    page.get_by_label("Style").select_option("async/await")
    assert shown(page) == ["asyncio"]
    assert page.get_by_role("status").inner_text().startswith("1 of 4 servers")
    page.get_by_label("Style").select_option("")
    assert page.locator("summary", has_text="A/A controls").is_visible()
    page.get_by_label("Language").select_option(f"{ALERT}lang")
    assert shown(page) == [ALERT]
    assert page.locator("summary", has_text="A/A controls").is_hidden()  # the one control is of asyncio


def test_the_league_reads_without_scripts(browser: Browser, folder: Path) -> None:
    with visit(browser, folder, with_scripts=False) as visited:
        page = visited.open("index.html")
        assert shown(page) == BY_SPEED
        assert page.locator("#controls").is_hidden()
        page.get_by_role("link", name="asyncio").first.click()
        page.wait_for_url("**/servers/broadcast/asyncio.html")
        assert page.locator("h1").inner_text() == "asyncio"


def test_the_search_finds_passages_from_any_page(site: SiteVisit) -> None:
    page = site.open("servers/broadcast/go.html")
    page.get_by_role("searchbox").fill("coordinated omission")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(re.compile(r"search\.html\?q="))
    results = page.locator("#results li")
    assert results.filter(has_text="Method: Load").count() >= 1
    assert "coordinated omission" in " ".join(results.locator("p").all_inner_texts())
    results.filter(has_text="Method: Load").locator("a").first.click()
    page.wait_for_url("**/docs/method.html#h-load")


def test_the_search_takes_any_question_as_text(site: SiteVisit) -> None:
    page = site.open("search.html")
    for question in (ALERT, "(((", "\\", "$^*", "nothing_has_this_word"):
        page.get_by_role("searchbox").fill(question)
    assert page.locator("#found").inner_text() == "Nothing was found."
    assert page.locator("#all-pages").is_hidden()
    page.get_by_role("searchbox").fill("")
    assert page.locator("#all-pages").is_visible()


@pytest.mark.parametrize("path", KINDS_OF_PAGES)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_accessibility(path: str, colours: Any, browser: Browser, folder: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with visit(browser, folder, colours=colours) as visited:
        found = axe.Axe().run(visited.open(path), options={"preload": False}).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in serious] == []


def test_a_long_name_makes_no_page_wider_than_a_phone(browser: Browser, tmp_path: Path) -> None:
    name = "a_server_with_a_name_without_blanks_" * 5
    server = msgspec.structs.replace(declared("go")[0], name=name)
    write_site(run_with(server, *declared("asyncio")), tmp_path)
    own = slug(name)
    with visit(browser, tmp_path, width=390) as visited:
        for path in ("index.html", "servers/index.html", f"servers/broadcast/{own}.html", "choose.html", "method.html"):
            assert visited.open(path).evaluate("document.documentElement.scrollWidth") <= 390, path
        page = visited.open("index.html")
        row = page.locator(f"{SERVERS} th", has_text="a_server").bounding_box()
        assert row and row["width"] <= 0.5 * 390


@pytest.mark.parametrize("path", KINDS_OF_PAGES)
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_no_page_is_wider_than_its_window(path: str, width: int, browser: Browser, folder: Path) -> None:
    with visit(browser, folder, width=width) as visited:
        page = visited.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
