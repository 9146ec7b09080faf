"""The plots of the site: their numbers, tables and still pictures, and the scripts that are shipped with them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from harness.blocks import Entry
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.model import Run
from harness.report import svg
from harness.report.curves import Point, charts
from harness.site.data import SiteServer, site_of
from harness.site.pages import plots as plot_pages
from harness.site.plots.axes import axis_at, linear_axis
from harness.site.plots.collect import ADDED_BY, missing, plots_of
from harness.site.plots.cost_plots import front, idle_clients
from harness.site.plots.picture import LINE, picture
from harness.site.plots.plot import Plot
from harness.site.write import STATIC, write_site
from tests.sample_runs import block_of, offered, run_of, trial, zoo
from tests.simulated_runs import THROUGHPUTS, slice_of
from tests.simulated_runs import run_of as simulated
from tests.site_pages import parse, with_cpu

ALERT = "</script><script>alert(1)</script>"
SLICES_ONLY = {"latency", "loads", "memory", "rate", "front"}


def plots_by_id(run: Run, spec: str = "chatter") -> dict[str, Plot]:
    return {plot.id: plot for plot in plots_of(run, league_of(run, spec), charts(run))}


def league_of(run: Run, spec: str) -> League:
    return next(league for league in leagues(run) if league.spec == spec)


def in_language(row: Row, language: str) -> Row:
    """Return a row of a server in another language."""
    return replace(row, implementation=msgspec.structs.replace(row.implementation, language=language))


def with_lines(run: Run) -> Run:
    """Return a run whose servers have lines of code: each ten more than the one before."""
    lines = {f"{each.spec}/{each.name}": 100 + 10 * n for n, each in enumerate(run.info.implementations)}
    return Run(msgspec.structs.replace(run.info, code_lines=lines), run.cases, run.trials, run.blocks)


def slices_only() -> Run:
    """Return a run as `make league` leaves it: blocks of slices with processor time and memory, and no trials."""
    full = with_lines(zoo())
    blocks = []
    for block in full.blocks:
        slices = []
        for result in block.slices:
            figures = {**result.figures, "server_cpu_share": 0.1 + result.entry / 10}
            if result.kind == "idle":
                figures |= {"rss_empty_bytes": 1e7, "rss_per_client_bytes": (figures["rss_idle_bytes"] - 1e7) / 1000}
            slices.append(msgspec.structs.replace(result, figures=figures))
        blocks.append(msgspec.structs.replace(block, slices=tuple(slices)))
    return Run(full.info, [], [], blocks)


@pytest.fixture(scope="module")
def short_run() -> Run:
    return slices_only()


# --- which plots there are


def test_blocks_of_slices_alone_give_five_plots_and_say_what_adds_the_others(short_run: Run) -> None:
    found = plots_by_id(short_run)
    assert found.keys() == SLICES_ONLY
    assert missing(found.values()) == [ADDED_BY["clients"], ADDED_BY["rate-p99"]]
    assert all(len(plot.series) == 8 for plot in found.values())


def test_other_workloads_add_throughput_against_clients_and_curves_against_the_rate() -> None:
    found = plots_by_id(zoo())
    assert found.keys() >= {"clients", "rate-p99", "rate-drops"}
    assert [point.x for point in found["clients"].series[0].points] == [10, 100, 1000]
    assert len(found["rate-p99"].series[0].points) == 8


def test_a_run_without_any_figure_has_no_plot() -> None:
    assert plots_by_id(run_of(block_of([Entry("one")], []))) == {}


def test_a_server_that_failed_under_load_is_named_and_on_no_plot(short_run: Run, tmp_path: Path) -> None:
    """Its figures are from the blocks before."""
    *before, last = short_run.blocks
    blocks = [*before, msgspec.structs.replace(last, failed={"1": "it sent a message twice"})]
    run = Run(short_run.info, [], zoo().trials, blocks)
    for plot in plots_by_id(run).values():
        assert len(plot.series) == 7
        assert "rust" not in {series.server for series in plot.series} | {row[0] for row in plot.rows}
    write_site(run, tmp_path)
    page = parse(tmp_path / "plots.html")
    assert "rust" not in [each["value"] for each in page.all("input") if each.get("name") == "server"]
    assert "broke a rule that every load verifies: rust." in " ".join(page.text.split())


# --- their numbers


def test_throughput_by_load_is_the_median_of_the_blocks_in_millions_with_their_range() -> None:
    rates = {"single": (1e6, 2e6, 4e6), "all": (3e6, 3e6, 3e6), "few": (8e6, 6e6, 7e6)}
    blocks = [
        block_of(
            [Entry("one")],
            [slice_of(0, kind, {"deliveries_per_s": rates[kind][number]}) for kind in THROUGHPUTS],
            number=number,
        )
        for number in range(3)
    ]
    (series,) = plots_by_id(run_of(*blocks))["loads"].series
    assert series.points == [Point(0, 2, 1, 4), Point(1, 3, 3, 3), Point(2, 7, 6, 8)]


def test_memory_starts_without_clients_and_goes_on_with_the_trials_that_measured_it() -> None:
    idle = {"rss_empty_bytes": 1e6, "rss_idle_bytes": 3e6, "rss_per_client_bytes": 2e3}
    more = {"clients": 10_000.0, "rss_empty_bytes": 1e6, "rss_idle_bytes": 2.1e7}
    run = run_of(
        block_of([Entry("one")], [slice_of(0, "idle", idle)]),
        trial("one", "mass_idle", {"clients": 10_000}, more),
        trial("one", "mass_idle", {"clients": 10_000}, {**more, "clients": 7.0}, disturbed="busy"),
    )
    assert (idle_clients(run, "chatter"), idle_clients(run, "murmur")) == (1000, 0)
    (series,) = plots_by_id(run)["memory"].series
    assert [(point.x, point.y) for point in series.points] == [(0, 1), (1000, 3), (10_000, 21)]


def test_the_front_has_no_server_beyond_it() -> None:
    points = [Point(x, y, y, y) for x, y in ((100, 10), (90, 5), (90, 8), (120, 10), (150, 40), (200, 39))]
    corners = front(points)
    assert [(point.x, point.y) for point in corners] == [(90, 8), (100, 10), (150, 40)]
    for point in points:
        beaten = [c for c in corners if c.x <= point.x and c.y >= point.y]
        assert beaten, point


def test_p99_against_the_rate_is_in_ms_and_leaves_out_what_does_not_count() -> None:
    run = run_of(
        offered("one", 100, 0), offered("one", 200, 0), offered("one", 400, 0, disturbed="busy"), offered("two", 100, 0)
    )
    (series,) = plots_by_id(run)["rate-p99"].series
    assert [(point.x, point.y) for point in series.points] == [(100, 1), (200, 1)]


def test_a_step_of_a_search_without_an_answer_has_drops_and_no_p99() -> None:
    nothing = offered("one", 400, 1)
    nothing = msgspec.structs.replace(nothing, figures={**nothing.figures, "latency_p99_ns": 0.0, "overloaded": 1.0})
    found = plots_by_id(run_of(offered("one", 100, 0), offered("one", 200, 0), nothing))
    assert [point.x for point in found["rate-p99"].series[0].points] == [100, 200]
    assert [point.x for point in found["rate-drops"].series[0].points] == [100, 200, 400]


def test_messages_that_were_lost_are_marked_and_in_the_table(short_run: Run) -> None:
    blocks = [
        msgspec.structs.replace(
            block,
            slices=tuple(
                msgspec.structs.replace(each, figures={**each.figures, "missing": 5.0})
                if each.entry == 0 and each.kind == "paced"
                else each
                for each in block.slices
            ),
        )
        for block in short_run.blocks
    ]
    found = plots_by_id(Run(short_run.info, [], [], blocks))
    hollow = {series.server for series in found["rate"].series if series.points[0].at_least}
    assert hollow == {"c_epoll"}
    lost = {row[0]: row[-1] for row in found["latency"].rows}
    assert (lost["c_epoll"], lost["go"]) == ("15", "0")


# --- axes


@pytest.mark.parametrize("values", [(0, 100), (86, 307), (0, 0.3), (5, 5), (0, 12_345)])
def test_a_linear_axis_has_room_for_all_and_round_ticks(values: tuple[float, float]) -> None:
    axis = linear_axis("lines", values)
    assert axis.low < min(values) and axis.high > max(values)
    ticks = [value for value, _ in axis.ticks]
    assert len(ticks) <= 9 and all(axis.low <= tick <= axis.high for tick in ticks)
    for tick in ticks:
        assert float(f"{tick:.2g}") == pytest.approx(tick)


def test_ticks_at_values_leave_out_those_too_close_to_the_one_before() -> None:
    assert [text for _, text in axis_at("clients", [0, 100, 1000, 10_000, 10_000]).ticks] == ["0", "1000", "10 k"]


# --- pages


def test_a_page_has_a_table_and_a_still_picture_for_each_plot(short_run: Run, tmp_path: Path) -> None:
    write_site(short_run, tmp_path)
    text, page = (tmp_path / "plots.html").read_text(), parse(tmp_path / "plots.html")
    data = json.loads(next(script for script in page.scripts if script.strip()))
    assert {plot["id"] for plot in data["plots"]} == SLICES_ONLY
    assert text.count('<svg class="still"') == len(re.findall(r"<details>", text)) == len(SLICES_ONLY)
    drawings = re.findall(r'<svg class="still".*?</svg>', text, re.DOTALL)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        curves = [each for each in root.iter("g") if each.get("class", "").startswith("slot-")]
        assert len(curves) == plot_pages.FIRST_CHOSEN
        assert len(root.findall(".//*[@class='background']")) == 8 - plot_pages.FIRST_CHOSEN


def test_each_spec_has_a_page_and_they_link_to_each_other(tmp_path: Path) -> None:
    write_site(zoo(("broadcast", "channels")), tmp_path)
    first, second = tmp_path / "plots.html", tmp_path / "plots" / "channels.html"
    assert "plots/channels.html" in {link.get("href") for link in parse(first).all("a")}
    page = parse(second)
    assert "../plots.html" in {link.get("href") for link in page.all("a")}
    data = json.loads(next(script for script in page.scripts if script.strip()))
    assert (second.parent / data["diff"]).resolve() == tmp_path / "diff.html"
    assert (data["spec"], page.ids.count("latency")) == ("channels", 1)


def test_the_numbers_of_a_page_are_short_and_finite(short_run: Run) -> None:
    (page,) = plot_pages.pages(site_of(short_run))
    text = json.dumps(page.context["data"], allow_nan=False)
    assert max(map(len, re.findall(r"\d+\.\d+", text))) <= 9


def test_a_curve_in_a_still_picture_stays_within_its_frame(short_run: Run) -> None:
    for plot in plots_by_id(short_run).values():
        drawn = picture(plot, {series.server: slot for slot, series in enumerate(plot.series)})
        left, top, right, bottom = drawn.frame
        for curve in drawn.curves:
            assert all(left <= x <= right and top <= y <= bottom for x, y in curve.marks)
        labels = sorted(curve.label_y for curve in drawn.curves)
        assert top <= labels[0] and labels[-1] <= bottom
        assert all(low + LINE <= high + 0.2 for low, high in pairwise(labels))


def test_a_hostile_name_is_text_in_pictures_tables_and_data(tmp_path: Path) -> None:
    blocks = [
        block_of(
            [Entry(ALERT), Entry("two")],
            [
                with_cpu(slice_of(place, kind, {"deliveries_per_s": 1e6}), 5.0)
                for place in (0, 1)
                for kind in THROUGHPUTS
            ],
            number=number,
        )
        for number in range(3)
    ]
    write_site(run_of(*blocks), tmp_path)
    page = parse(tmp_path / "plots.html")
    assert page.problems == []
    data = json.loads(next(script for script in page.scripts if script.strip()))
    assert ALERT in {server["name"] for server in data["servers"]}
    assert ALERT in page.text
    assert "<script>alert" not in (tmp_path / "plots.html").read_text()


def test_the_first_choice_is_spread_over_the_league_and_over_languages() -> None:
    levels = {f"server{number}": 1e6 * 1.5**-number for number in range(12)}
    site = site_of(simulated(levels, noise=0.001))

    def in_languages(languages: str) -> list[str]:
        servers = [
            SiteServer(in_language(server.row, language), server.league)
            for server, language in zip(site.servers, languages, strict=True)
        ]
        return [server.name.removeprefix("server") for server in plot_pages.first_chosen(servers)]

    assert in_languages("aaaaaaaaaaaa") == ["0", "2", "4", "6", "8", "11"]
    assert in_languages("aabbccddeeff") == ["0", "2", "4", "6", "8", "10"]
    assert in_languages("abcdefghijkl") == ["0", "2", "4", "6", "8", "11"]


# --- what is shipped


def test_colours_are_those_that_are_measured() -> None:
    """`tests/test_plots.py` measures contrast, and distance with each kind of colour vision, of these colours."""
    style = (STATIC / "plots.css").read_text()
    light, dark, printed = re.findall(r":root \{ (--slot-0.*?) \}", style)
    assert tuple(re.findall(r"#[0-9a-f]{6}", light)) == svg.CURVES
    assert tuple(re.findall(r"#[0-9a-f]{6}", dark)) == tuple(svg.DARK[colour] for colour in svg.CURVES)
    assert printed == light
    assert len(svg.CURVES) == plot_pages.SLOTS == style.count("{ color: var(--slot-")


def test_the_scripts_of_others_are_unchanged_and_have_their_licences() -> None:
    folder = STATIC / "vendor"
    note = (folder / "README.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \|.*`([^`]+\.txt)` \| `([0-9a-f]{64})` \|$", note, re.MULTILINE)
    assert {name for name, _, _ in rows} == {file.name for file in folder.glob("*.js")}
    for name, licence, digest in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert "ermission" in (folder / licence).read_text()


def test_only_the_plots_load_the_plotting_library(short_run: Run, tmp_path: Path) -> None:
    write_site(short_run, tmp_path)
    loading = {file.name for file in tmp_path.rglob("*.html") if "plot.umd.min.js" in file.read_text()}
    assert loading == {"plots.html"}
