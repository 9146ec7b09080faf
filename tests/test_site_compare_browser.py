"""The plots, the comparison and the choice in Chromium: hover, select, compare two sources, answer questions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
import pytest

from harness.model import CaseResult, Level, Run, ServerUsage, Usage, Verdict
from harness.site.page import slug
from harness.site.write import write_site
from tests.sample_runs import offered, run_of
from tests.simulated_runs import run_of as floods_of
from tests.site_browser import SiteVisit, visit
from tests.site_pages import ALERT, HostilePlugin, declared, run_with

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.exhaustive  # starts a browser

POLICIES = {"asyncio": "drops new, 0.3 MB", "go": "stalls everyone, 90.0 KB", "threads": "disconnects, 1.0 MB"}
THREADS = {ALERT: 1, "asyncio": 1, "go": 7, "threads": 49}
LINES = {ALERT: 50, "asyncio": 100, "go": 200, "threads": 300}


def observed(name: str) -> CaseResult:
    used = Usage(rss_bytes=1, cpu_s=0, descriptors=1, threads=THREADS[name], processes=1)
    return CaseResult(
        implementation=name,
        spec="broadcast",
        id="case",
        requirements=(),
        level=Level.MUST,
        verdict=Verdict.PASS,
        facts={"slow client": POLICIES[name]} if name in POLICIES else {},
        used=(ServerUsage(used, used),),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site of a run of a hostile server and three of the zoo; each is twice as fast as the one before it."""
    plugin = HostilePlugin(tmp_path_factory.mktemp("hostile"))
    folder = tmp_path_factory.mktemp("site")
    run = run_with(plugin.recorded, *declared("asyncio", "go", "threads"))
    info = msgspec.structs.replace(run.info, code_lines={f"broadcast/{name}": lines for name, lines in LINES.items()})
    with plugin.registered():
        write_site(Run(info, [observed(name) for name in THREADS], run.trials, run.blocks), folder)
    yield folder


# --- plots


def chosen(page: Page) -> list[str]:
    boxes = page.locator("#chooser input[name=server]:checked").all()
    return [box.input_value() for box in boxes]


def test_a_plot_is_drawn_in_place_of_its_still_picture(site: SiteVisit) -> None:
    page = site.open("plots.html")
    assert page.locator("svg.still").count() == 0
    for identifier in ("latency", "loads"):
        plot = page.locator(f"#{identifier} svg[role=img]")
        assert plot.count() == 1
        assert plot.locator(".curve").count() == len(chosen(page)) == 4
        assert plot.locator("g.background path").count() == 0
    page.locator("#chooser").get_by_label("go", exact=True).uncheck()
    assert page.locator("#latency g.background path").count() == 1


def test_the_pointer_finds_the_nearest_point_and_names_its_server(site: SiteVisit) -> None:
    page = site.open("plots.html")
    mark = page.locator("#loads g.slot-0 use").first
    mark.hover(force=True)
    tip = page.locator("#loads g.tip", has_text="threads")
    tip.wait_for()
    assert "deliveries, millions a second" in (tip.text_content() or "")
    page.mouse.move(0, 0)
    tip.wait_for(state="detached")  # a tip without a text is not that one any more


def test_a_choice_is_for_all_plots_and_stays_in_the_address(site: SiteVisit) -> None:
    page = site.open("plots.html")
    page.get_by_role("button", name="None").click()
    assert chosen(page) == [] and page.locator("svg[role=img] .curve").count() == 0
    page.locator("#chooser").get_by_label("go", exact=True).check()
    page.locator("#chooser").get_by_label(ALERT, exact=True).check()
    assert page.locator("#latency svg[role=img] .curve").count() == 2
    assert page.locator("#loads svg[role=img] .curve").count() == 2
    page.reload()
    assert sorted(chosen(page)) == sorted(["go", ALERT])
    site.open("choose.html")
    assert chosen(site.open("plots.html#server=go&server=go&server=%&server=nobody")) == ["go"]
    site.open("choose.html")
    site.open("plots.html#" + page_hash(ALERT, "go"))
    page.get_by_role("link", name="Compare sources").click()
    page.wait_for_selector("#diff-output table.diff")
    assert page.locator("[name=a]").input_value() == ALERT
    assert page.locator("[name=b]").input_value() == "go"


def test_a_run_without_a_league_has_plots_that_can_be_chosen_in(browser: Browser, tmp_path: Path) -> None:
    trials = [offered(name, rate, rate / 1e4, spec="broadcast") for name in ("go", "asyncio") for rate in (100, 200)]
    write_site(run_of(*trials), tmp_path)
    with visit(browser, tmp_path) as visited:
        visited.open("index.html")  # whose script must not take another table for the league
        page = visited.open("plots.html")
        assert page.locator("#rate-drops svg[role=img] .curve").count() == len(chosen(page)) == 2


def page_hash(*names: str) -> str:
    return urlencode([("server", name) for name in names])


def test_a_click_on_a_curve_changes_the_choice(site: SiteVisit) -> None:
    page = site.open("plots.html")
    before = chosen(page)
    page.locator("#loads g.slot-0 use").first.click(force=True)
    assert sorted(set(before) - set(chosen(page))) == ["threads"]


def test_servers_are_found_by_name_language_and_style(site: SiteVisit) -> None:
    page = site.open("plots.html")
    names = page.locator("#chooser li:visible")
    page.get_by_label("Find").fill("python")
    assert [name.strip() for name in names.all_inner_texts()] == ["threads", "asyncio"]
    page.get_by_label("Find").fill("python async")
    assert [name.strip() for name in names.all_inner_texts()] == ["asyncio"]


def test_plots_follow_the_colours_of_the_reader_and_the_width_of_the_window(browser: Browser, folder: Path) -> None:
    with visit(browser, folder, colours="dark") as visited:
        page = visited.open("plots.html")
        colour = "element => getComputedStyle(element).stroke"
        dark = page.locator("#loads .curve").first.evaluate(colour)
        page.emulate_media(color_scheme="light")
        assert page.locator("#loads .curve").first.evaluate(colour) != dark
        page.set_viewport_size({"width": 390, "height": 800})
        page.locator("#loads .legend").wait_for(state="visible")
        assert page.locator("#loads .name").count() == 0


def test_plots_can_be_seen_without_scripts(browser: Browser, folder: Path) -> None:
    with visit(browser, folder, with_scripts=False) as visited:
        page = visited.open("plots.html")
        assert page.locator("#latency svg.still").is_visible()
        assert page.locator("#chooser").is_hidden()
        page.locator("#latency summary").click()
        assert "threads" in page.locator("#latency table").inner_text()


# --- two sources


def compare(site: SiteVisit, a: str, b: str) -> Page:
    page = site.open(f"diff.html?spec=broadcast&a={a}&b={b}")
    page.wait_for_selector("#diff-output table.diff")
    return page


def test_two_sources_stand_side_by_side_with_their_figures(site: SiteVisit) -> None:
    page = compare(site, "asyncio", "threads")
    assert page.locator("#diff-output [aria-live], #diff-output [role=status]").count() == 0
    assert page.locator("#diff-output[aria-live]").count() == 0
    assert "threads is significantly better in few senders, all send" in page.locator("#diff-summary").inner_text()
    assert page.locator("table.diff tr.changed mark").count() > 10
    assert page.locator("table.diff td.code", has_text=re.compile(r"^import ")).count() == 0
    page.get_by_label("without comments and imports").uncheck()
    page.wait_for_selector("table.diff td.code:text-matches('^import ')")


def test_the_same_lines_differ_as_on_the_page_without_scripts(site: SiteVisit) -> None:
    numbers = r"(\d+) equal lines, (\d+) changed, (\d+) only in asyncio, (\d+) only in threads"
    still = site.open("diff/broadcast/asyncio--threads.html").locator("main").inner_text()
    text = compare(site, "asyncio", "threads").locator("#diff-counts").inner_text()
    found, expected = (re.search(numbers, each) for each in (text, still))
    if expected is None:  # the page has the better one on the left
        expected = re.search(r"(\d+) equal lines, (\d+) changed, (\d+) only in threads, (\d+) only in asyncio", still)
    assert found and expected
    # The page leaves blank lines out of its counts, and either may pair one or two lines that the other does not.
    assert abs(int(found[2]) - int(expected[2])) <= 4


def test_equal_lines_unfold(site: SiteVisit) -> None:
    page = compare(site, "asyncio", "threads")
    before = page.locator("table.diff tr.equal").count()
    page.locator("table.diff .hunk button").first.click()
    after = page.locator("table.diff tr.equal").count()
    assert after > before
    assert page.evaluate("document.activeElement.matches('table.diff tr.equal')")
    page.get_by_label("all equal lines").check()
    page.locator("table.diff .hunk").first.wait_for(state="detached")
    assert page.locator("table.diff tr.equal").count() >= after


def test_a_choice_of_two_servers_stays_in_the_address(site: SiteVisit) -> None:
    page = compare(site, "asyncio", "threads")
    page.locator("[name=b]").select_option("go")
    page.wait_for_selector("#diff-output[data-shown='broadcast/asyncio broadcast/go']")
    page.get_by_role("button", name="Swap").click()
    page.wait_for_selector("#diff-output[data-shown='broadcast/go broadcast/asyncio']")
    page.reload()
    page.wait_for_selector("#diff-output[data-shown='broadcast/go broadcast/asyncio']")


def test_a_hostile_source_is_text(site: SiteVisit) -> None:
    page = compare(site, "asyncio", ALERT.replace("<", "%3C"))
    assert page.locator("#diff-output script").count() == 0
    assert ALERT in page.locator("table.diff").inner_text()


def test_a_wrong_address_shows_two_servers(site: SiteVisit) -> None:
    page = compare(site, "%3Cimg src=x%3E", "nobody")
    assert page.locator("table.diff").is_visible()


def test_pairs_can_be_read_without_scripts(browser: Browser, folder: Path) -> None:
    with visit(browser, folder, with_scripts=False) as visited:
        page = visited.open("diff.html")
        page.locator("tr", has=page.get_by_role("rowheader", name="asyncio")).get_by_role(
            "link", name="threads"
        ).click()
        page.wait_for_url("**/diff/broadcast/*.html")
        assert page.locator("table.diff tr.changed").count() > 10
        assert page.get_by_role("columnheader", name="significantly better").is_visible()
        page.goto(f"{folder.as_uri()}/diff/broadcast/asyncio--{slug(ALERT)}.html")
        assert ALERT in page.locator("table.diff").inner_text()


# --- the choice


def fitting(page: Page) -> list[str]:
    return [name.strip() for name in page.locator("section.choice tbody tr:visible th").all_inner_texts()]


def reasons(page: Page) -> dict[str, str]:
    texts = page.locator(".ruled-out li:visible").all_inner_texts()
    return {name: why for name, _, why in (text.partition(": ") for text in texts)}


def test_all_servers_fit_at_first_in_the_order_of_the_score(site: SiteVisit) -> None:
    page = site.open("choose.html")
    assert fitting(page) == ["threads", "go", "asyncio", ALERT]
    assert page.get_by_role("status").inner_text().startswith("4 of 4 servers fit.")


def test_each_answer_rules_out_and_says_why(site: SiteVisit) -> None:
    page = site.open("choose.html")
    page.get_by_label("one slow client makes everyone wait").check()
    assert fitting(page) == ["threads", "asyncio", ALERT]
    assert reasons(page) == {"go": "a slow client makes everyone wait"}
    assert "not observed" in page.get_by_role("status").inner_text()
    page.get_by_label("Python", exact=True).check()
    assert fitting(page) == ["threads", "asyncio"]
    assert "written in Go" in reasons(page)["go"]
    page.locator("[name=lines]").select_option("150")
    assert reasons(page)["threads"] == "300 lines"
    page.locator("[name=lines]").select_option("")
    page.get_by_label("it must be able to use several").check()
    assert fitting(page) == []
    assert reasons(page)["asyncio"] == "one thread in one process"
    assert reasons(page)["threads"] == "threads of Python run one at a time"
    page.get_by_role("button", name="Reset").click()
    page.locator(".ruled-out").wait_for(state="hidden")
    assert fitting(page) == ["threads", "go", "asyncio", ALERT]


def test_little_processor_time_changes_the_order(site: SiteVisit) -> None:
    page = site.open("choose.html")
    page.locator("[name=by]").select_option("lines")
    assert fitting(page) == [ALERT, "asyncio", "go", "threads"]
    page.get_by_label("one, with little processor time").check()
    assert page.locator("[name=by]").input_value() == "cpu"
    assert fitting(page)[0] == "threads"
    page.get_by_label("no matter").check()
    assert page.locator("[name=by]").input_value() == "score"


def test_what_was_asked_and_is_not_known_is_said(browser: Browser, tmp_path: Path) -> None:
    """Servers that fit only because nothing is known of them: the run has floods alone."""
    write_site(floods_of({"one": 1e6, "two": 2e6}), tmp_path)
    with visit(browser, tmp_path) as visited:
        page = visited.open("choose.html")
        page.locator("[name=late]").select_option("2")
        page.locator("[name=lines]").select_option("100")
        page.locator("[name=megabytes]").select_option("10")
        page.get_by_label("a message is lost").check()
        assert page.get_by_role("status").inner_text() == (
            "2 of 2 servers fit. Memory was not measured for 2 of them. Lost messages were not counted for 2 of them. "
            "p99 was not measured for 2 of them. Lines of code were not counted for 2 of them."
        )


def test_the_evidence_can_be_read_without_scripts(browser: Browser, folder: Path) -> None:
    with visit(browser, folder, with_scripts=False) as visited:
        page = visited.open("choose.html")
        assert fitting(page) == ["threads", "go", "asyncio", ALERT]
        assert page.locator("#questions").is_hidden()
        assert "stalls everyone, 90.0 KB" in page.locator("table").inner_text()
