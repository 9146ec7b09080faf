"""The site's pages about conformance and specs in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.site.write import write_site
from tests.checked_run import CASE, checked_run
from tests.site_browser import visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.exhaustive  # starts a browser

REQUIREMENTS, CASES = "conformance/broadcast/requirements.html", "conformance/broadcast/cases.html"
PAGES = ("conformance.html", REQUIREMENTS, CASES, "conformance/broadcast/servers/bad.html", "specs/broadcast.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(checked_run(), folder)
    return folder


def shown_rows(page: Page) -> list[str]:
    return page.locator("#matrix tbody tr:visible th").all_inner_texts()


def shown_columns(page: Page) -> list[str]:
    return page.locator("#matrix thead th.upright:visible").all_inner_texts()


def test_a_cell_opens_the_evidence(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(REQUIREMENTS)
        page.locator("#matrix a[aria-label=fail]").click()
        page.wait_for_url("**/servers/bad.html#BC-ORDER-2")
        assert page.get_by_text("one order", exact=True).is_visible()
        script = page.get_by_text("reproduced</b>")
        assert not script.is_visible()
        page.get_by_text("A script that reproduces it").click()
        assert script.is_visible()


def test_the_table_shows_what_is_chosen(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(REQUIREMENTS)
        assert sorted(shown_rows(page)) == ["bad", "good"]
        assert shown_columns(page) == ["BC-START-1", "BC-FRAME-2", "BC-ORDER-2"]
        page.locator("select[name=columns]").select_option("ORDER")
        assert shown_columns(page) == ["BC-ORDER-2"]
        page.locator("select[name=rows]").select_option("unequal")
        assert shown_rows(page) == ["bad"], "of the requirements that are shown"
        assert page.locator("#status").inner_text() == "1 of 2 servers"
        page.locator("select[name=rows]").select_option("")
        page.locator("input[name=name]").fill("GOO")
        assert shown_rows(page) == ["good"]


def test_arrow_keys_move_between_cells(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(REQUIREMENTS)
        page.locator("#matrix tbody tr:nth-child(1) td:nth-child(3) a").focus()

        def focused() -> str:
            return str(page.evaluate("document.activeElement.getAttribute('href')"))

        first = focused().partition("#")[0]
        assert focused().endswith("#BC-START-1")
        page.keyboard.press("ArrowRight")
        assert focused().endswith("#BC-FRAME-2")
        page.keyboard.press("ArrowDown")
        assert focused().partition("#")[0] != first
        page.keyboard.press("ArrowDown")  # there is no further row
        assert focused().endswith("#BC-FRAME-2")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")  # over the cell that leads nowhere
        assert "#" not in focused()


def test_the_tab_key_stops_once_in_a_table(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(REQUIREMENTS)
        tab_stops = page.locator("#matrix a:not([tabindex='-1'])")
        assert tab_stops.count() == 1
        page.locator("#matrix tbody tr:nth-child(1) td:nth-child(3) a").focus()
        assert tab_stops.count() == 1 and "BC-START-1" in (tab_stops.get_attribute("href") or "")
        page.locator("select[name=columns]").select_option("ORDER")  # hides that column
        assert tab_stops.count() == 1 and tab_stops.is_visible()
        page.locator("#matrix tbody tr:nth-child(1) td:nth-child(5) a").focus()
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.closest('thead') !== null")


def test_on_paper_every_sign_is_dark(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(REQUIREMENTS)
        cell = page.locator("#matrix a[aria-label=fail]")
        page.emulate_media(media="print")
        for verdict in ("fail", "error"):  # no page of this run has an error
            cell.evaluate("(link, verdict) => { link.className = verdict; }", verdict)
            assert cell.evaluate("link => getComputedStyle(link).color") == "rgb(0, 0, 0)"


def test_a_case_leads_to_its_source_and_back_to_its_requirement(browser: Browser, folder: Path) -> None:
    with visit(browser, folder) as visited:
        page = visited.open(CASES)
        page.locator("#matrix tbody th a", has_text=CASE.id.replace("_", " ")).click()
        page.wait_for_url("**/specs/broadcast/cases.html#case-*")
        section = page.locator("section:target")
        section.locator("summary").click()
        assert section.get_by_text(f"test_{CASE.id}").is_visible()
        section.get_by_role("link", name="BC-ORDER-2").first.click()
        page.wait_for_url("**/specs/broadcast.html#BC-ORDER-2")


@pytest.mark.parametrize("path", PAGES)
def test_everything_is_there_without_scripts(browser: Browser, folder: Path, path: str) -> None:
    with visit(browser, folder, with_scripts=False) as visited:
        page = visited.open(path)
        assert page.locator("a").count() > 10
        assert page.locator("form.controls:visible").count() == 0


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_accessibility(browser: Browser, folder: Path, path: str, colours: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with visit(browser, folder, colours="dark" if colours == "dark" else "light") as visited:
        found = axe.Axe().run(visited.open(path), options={"preload": False}).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in serious] == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_no_page_is_wider_than_its_window(browser: Browser, folder: Path, path: str, width: int) -> None:
    with visit(browser, folder, width=width) as visited:
        assert visited.open(path).evaluate("document.documentElement.scrollWidth") <= width
