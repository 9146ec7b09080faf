"""Curves: their numbers, their drawing on a terminal, and their files."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from harness.blocks import BlockResult, Entry, Role
from harness.commands import report_command
from harness.errors import HarnessError, UsageError
from harness.model import Run
from harness.plugins import ReportView
from harness.report import colour, svg
from harness.report.curves import Chart, charts
from harness.report.formats import plots, terminal
from harness.report.scales import log_axis, percent_axis, spread_labels, tick_text
from tests.sample_runs import (
    CAPACITY_PER_S,
    IN_FLIGHT,
    block_of,
    flooded,
    offered,
    paced_slice,
    run_of,
    timed,
    trial,
    write_as_latest,
    zoo,
)
from tests.zoo import harness, lines_of

ONE = Entry("one")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def full_run() -> Run:
    """A run of two specs, with eight servers each and all curves."""
    return zoo(("chatter", "murmur"))


@pytest.fixture
def folder(full_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with that run as the latest."""
    write_as_latest(full_run, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*words: str) -> Result:
    """Run `harness report` in the current folder, at 80 columns."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(report_command.command, words, standalone_mode=False)


def only(run: Run, kind: str) -> Chart:
    (chart,) = (each for each in charts(run) if each.kind == kind)
    return chart


def curve(chart: Chart, server: str = "one") -> list[tuple[float, float]]:
    (series,) = (each for each in chart.series if each.server == server)
    return [(point.x, point.y) for point in series.points]


# --- numbers


def test_percentiles_are_those_of_all_messages_of_all_blocks() -> None:
    """Two very different blocks: the mean of their percentiles would be far off."""
    chance = np.random.default_rng(3)
    blocks = [(chance.lognormal(mean, 1, 4000)).astype(np.int64) for mean in (12, 15)]
    run = run_of(*(timed("one", times, number=number) for number, times in enumerate(blocks)))
    points = dict(curve(only(run, "latency")))
    ordered = np.sort(np.concatenate(blocks))
    for x, rank in ((2, 4000), (10, 7200), (100, 7920), (1000, 7992)):
        assert points[x] * 1e6 == pytest.approx(ordered[rank - 1], rel=0.001)
    assert max(points) == 8000
    assert list(points.values()) == sorted(points.values())


def test_throughput_is_the_median_of_the_blocks_with_their_range() -> None:
    run = run_of(*(flooded("one", clients, clients * per_s) for clients in (10, 1000) for per_s in (3e6, 1e6, 7e6)))
    (series,) = only(run, "throughput").series
    assert [(point.x, point.y, point.low, point.high) for point in series.points] == [
        (10, 3e7, 1e7, 7e7),
        (1000, 3e9, 1e9, 7e9),
    ]


def test_drops_are_shown_in_percent_at_each_rate() -> None:
    run = run_of(offered("one", 4000, 0.75, probe=1), offered("one", 1000, 0.0), offered("one", 2000, 0.5, probe=2))
    assert curve(only(run, "drops")) == [(1000, 0), (2000, 50), (4000, 75)]


@pytest.mark.parametrize("flaw", [{"disturbed": "a third process"}, {"did_not_finish": "it died"}])
def test_a_trial_that_does_not_count_is_on_no_curve(flaw: dict[str, Any]) -> None:
    trials = [
        *(flooded("one", clients, 5e6) for clients in (10, 100)),
        *(offered("one", rate, 0.1) for rate in (10, 100)),
    ]
    bad = [
        *(flooded("one", clients, 1e3, **flaw) for clients in (10, 100, 1000)),
        *(offered("one", rate, 0.9, **flaw) for rate in (10, 100, 1000)),
    ]
    for kind in ("throughput", "drops"):
        assert only(run_of(*trials, *bad), kind).series == only(run_of(*trials), kind).series


FAST, SLOW = np.full(1000, 10**6), np.full(1000, 10**9)


@pytest.mark.parametrize(
    "block",
    [
        block_of([ONE], [paced_slice(0, FAST), paced_slice(0, SLOW, wait_share=0.5), paced_slice(0, FAST)]),
        block_of([ONE], [paced_slice(0, SLOW)], failed={"0": "it died"}),
        block_of([Entry("one", Role.CONTROL)], [paced_slice(0, SLOW)]),
        block_of([Entry("one", Role.BASELINE)], [paced_slice(0, SLOW)]),
    ],
    ids=["disturbed", "failed", "control", "baseline"],
)
def test_a_slice_that_does_not_count_is_on_no_curve(block: BlockResult) -> None:
    before = block_of([ONE], [paced_slice(0, FAST)])
    run = run_of(before, block, block_of([Entry("two")], [paced_slice(0, SLOW)], failed={"0": "it died"}))
    (series,) = only(run, "latency").series
    assert series.server == "one"
    assert max(point.y for point in series.points) == pytest.approx(1, rel=0.01)


def test_a_curve_of_latency_has_the_slices_of_its_server_and_its_spec() -> None:
    two = block_of([ONE, Entry("two")], [paced_slice(0, FAST), paced_slice(1, SLOW)])
    other_spec = block_of([ONE], [paced_slice(0, SLOW)], spec="murmur")
    curves = {
        (each.spec, series.server): series.points[-1].y
        for each in charts(run_of(two, other_spec))
        for series in each.series
    }
    assert curves == pytest.approx({("chatter", "one"): 1, ("chatter", "two"): 1000, ("murmur", "one"): 1000}, rel=0.01)


def test_only_like_is_compared_with_like() -> None:
    """A flood of other bodies is a chart of its own; the length of a trial is no difference."""
    figures = {"deliveries_per_s": 1e6, "in_flight": 64.0}
    unlike = [
        trial("one", "other", {"clients": n, "in_flight": 64, "body_bytes": 200}, {**figures, "clients": n})
        for n in (10, 20)
    ]
    longer = trial(
        "one",
        "longer",
        {
            "clients": 40,
            "in_flight": IN_FLIGHT,
            "senders": 4,
            "body_bytes": 32,
            "warm_up_s": 1,
            "seconds": 60,
            "blocks": 1,
        },
        {"deliveries_per_s": 4e6, "clients": 40, "in_flight": IN_FLIGHT},
    )
    first, second = charts(run_of(flooded("one", 10, 1e6), longer, *unlike))
    assert (first.name, first.conditions) == ("chatter-throughput", "in flight 1024, senders 4, body bytes 32")
    assert curve(first) == [(10, 1e6), (40, 4e6)]
    assert (second.name, second.conditions) == ("chatter-throughput-2", "in flight 64, body bytes 200")
    assert curve(second) == [(10, 1e6), (20, 1e6)]


def test_points_at_the_limit_of_the_load_are_marked() -> None:
    run = run_of(flooded("one", 10, 1e6), flooded("one", 100, 1e6, load_share=0.96), flooded("one", 100, 1e6))
    chart = only(run, "throughput")
    assert chart.has_limited
    assert [point.at_least for point in chart.series[0].points] == [False, True]
    assert re.search(r" A one$.* A capital letter: ", plots.draw(chart, 80), re.MULTILINE | re.DOTALL)
    assert f">{svg.LIMITED}<" in svg.draw(chart)


def test_what_makes_no_curve_is_left_out_and_mentioned() -> None:
    """One rate, one number of clients, a server that delivered nothing, a histogram without a message."""
    nothing = np.zeros(0, np.int64)
    run = run_of(flooded("one", 10, 0.0), flooded("one", 100, 5e6), offered("one", 10, 0.1), timed("one", nothing))
    assert charts(run) == []
    sentence = "chatter: no curve of latency, throughput, drops: a curve needs two points"
    assert plots.render(run, 100) == f"{sentence}\n"


# --- scales


@pytest.mark.parametrize("values", [[1], [0.03, 800], [10, 1000], [2.1, 2.15], [1e3, 3e6], [0.002, 9e9]])
def test_a_logarithmic_axis_has_room_for_all_and_ticks_that_can_be_read(values: Sequence[float]) -> None:
    axis = log_axis("", values)
    assert 0 < axis.share(min(values)) <= axis.share(max(values)) < 1
    assert 1 <= len(axis.ticks) <= 14
    assert len({words for _, words in axis.ticks}) == len(axis.ticks)
    assert all(0 <= axis.share(value) <= 1 for value, _ in axis.ticks)


def test_a_percent_axis_ends_at_a_round_number() -> None:
    assert [words for _, words in percent_axis("", [0, 33]).ticks] == ["0", "12.5", "25", "37.5", "50"]
    assert percent_axis("", [0]).ticks[-1][1] == "1"
    assert [tick_text(value) for value in (0.25, 1000, 20_000, 1.5e6, 2e9)] == ["0.25", "1000", "20 k", "1.5 M", "2 G"]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([1, 5, 9], [1, 5, 9]),
        ([5, 5, 5], [4, 5, 6]),
        ([0, 0, 8.5, 9], [0, 1, 8, 9]),
        ([4, 4.5, 5, 9], [3.5, 4.5, 5.5, 9]),
        ([], []),
    ],
)
def test_labels_do_not_overlap(wanted: Sequence[float], places: Sequence[float]) -> None:
    assert spread_labels(wanted, 1, 0, 9) == pytest.approx(places)


# --- on a terminal


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_every_server_is_named_at_the_end_of_its_curve_within_the_width(full_run: Run, columns: int) -> None:
    text = plots.render(full_run, columns)
    assert max(map(len, text.splitlines())) <= columns
    pictures = re.split(r"\n(?=chatter: |murmur: )", text)
    assert len(pictures) == 6
    for picture in pictures:
        named = dict(re.findall(r"[│┐┘] (\w) (\w+)$", picture, re.MULTILINE))
        assert {letter.lower() for letter in named} == set("abcdefgh"), picture
        assert set(named.values()) == set(CAPACITY_PER_S)
        for letter, server in named.items():
            assert letter.lower() == "abcdefgh"[sorted(CAPACITY_PER_S).index(server)]
            assert letter in picture.replace(f"{letter} {server}", "")


def test_without_colour_there_is_nothing_but_characters(full_run: Run) -> None:
    assert not any(unicodedata.category(char) == "Cc" for char in plots.render(full_run, 80) if char != "\n")
    coloured = plots.render(full_run, 80, in_colour=True)
    assert {int(code) for code in re.findall(r"\x1b\[38;5;(\d+)m", coloured)} == set(plots.COLOURS)


def test_colours_are_for_terminals_unless_the_user_declines_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert not colour.is_wanted()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert colour.is_wanted()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.is_wanted()
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not colour.is_wanted()


def test_the_report_draws_below_its_table(folder: Path, full_run: Run) -> None:
    curves = report("--format", "plots").output
    assert curves == plots.render(full_run, 80)
    assert report("--plots").output == f"{terminal.render(full_run, ReportView())}\n{curves}"
    refused = report("--plots", "--format", "json")
    assert isinstance(refused.exception, UsageError)
    assert "not into json" in str(refused.exception)


def a_large_zoo() -> Run:
    """Return a run of 47 servers, as many as broadcast has."""
    names = [f"server{number:02}" for number in range(47)]
    return run_of(*(flooded(name, clients, 1e6 + 1e5 * n) for n, name in enumerate(names) for clients in (10, 100)))


def test_a_large_zoo_leaves_out_the_servers_whose_names_have_no_room() -> None:
    text = plots.render(a_large_zoo(), 80)
    named = re.findall(r"[│┐┘] (\w) (server\d+)$", text, re.MULTILINE)
    assert len({letter for letter, _ in named}) == len(named) == 16
    assert {server for _, server in named} >= {"server00", "server46"}
    assert "16 of 47 servers" in text


# --- as files


def test_the_files_are_well_formed_and_name_every_server(folder: Path) -> None:
    output = report("--svg", "docs/curves").output
    files = sorted(Path("docs/curves").iterdir())
    assert [file.name for file in files] == [
        f"{spec}-{kind}.svg" for spec in ("chatter", "murmur") for kind in ("drops", "latency", "throughput")
    ]
    assert {line.split(": ")[0] for line in output.splitlines()} == {str(file) for file in files}
    for file in files:
        words = {element.text for element in ElementTree.parse(file).iter(f"{SVG}text")}
        assert words >= set(CAPACITY_PER_S), file


def test_every_name_in_a_file_of_a_large_zoo_is_within_the_picture(tmp_path: Path) -> None:
    assert list(svg.write_svg(a_large_zoo(), tmp_path))
    texts = list(ElementTree.parse(tmp_path / "chatter-throughput.svg").iter(f"{SVG}text"))
    assert sum((text.text or "").startswith("server") for text in texts) == 16
    assert any("16 of 47 servers" in (text.text or "") for text in texts)
    places = [
        float(place)
        for text in texts
        for place in re.findall(r"translate\(\S+ (\S+?)\)", text.get("transform", "")) or [text.get("y", "0")]
    ]
    assert len(places) == len(texts) and all(0 <= place <= svg.HEIGHT_IN * 72 for place in places)


def test_a_file_is_always_the_same(full_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    first = [svg.draw(chart) for chart in charts(full_run)[:3]]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert [svg.draw(chart) for chart in charts(full_run)[:3]] == first
    assert not any("date" in text.split("<defs>")[0] for text in first)


def test_a_name_may_have_any_character() -> None:
    name = "a$b_c$<&>"
    chart = only(run_of(*(flooded(name, clients, 1e6) for clients in (10, 100))), "throughput")
    assert name in {element.text for element in ElementTree.fromstring(svg.draw(chart)).iter(f"{SVG}text")}


def test_a_folder_that_cannot_be_written_is_an_error(full_run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"file/in it cannot be written: Not a directory"):
        list(svg.write_svg(full_run, tmp_path / "file" / "in it"))


def test_the_drawing_packages_are_imported_only_to_draw(folder: Path) -> None:
    """Commands load the reporters, and none should wait for matplotlib."""
    for name in ("matplotlib", "plotext"):
        (folder / f"{name}.py").write_text("raise SystemExit('it was loaded')")
    assert harness("report", folder=folder).returncode == 0
    assert "it was loaded" in harness("report", "--svg", "out", folder=folder).stderr


@pytest.mark.parametrize(("words", "package"), [(["--plots"], "plotext"), (["--svg", "out"], "matplotlib")])
def test_a_missing_drawing_package_is_one_sentence_with_the_line_that_installs_it(
    folder: Path, words: list[str], package: str
) -> None:
    (folder / f"{package}.py").write_text(f"raise ModuleNotFoundError('no {package}', name='{package}')")
    ended = harness("report", *words, folder=folder)
    assert ended.returncode == 2
    assert f"this needs the package {package}, which is not installed: pip install 'zillions[plots]'" in ended.stderr
    assert len(lines_of(ended.stderr)) == 1


# --- colours

# How colours look without one of the three kinds of cones, in linear RGB: Machado, Oliveira and Fernandes (2009).
SIGHTS = {
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
Colour = NDArray[np.float64]


def linear(code: str) -> Colour:
    """Return the linear RGB of "#rrggbb"."""
    values = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: Colour) -> Colour:
    """Return linear RGB as CIE Lab, where a distance of 2 is just visible."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1 to 21, as defined by the Web Content Accessibility Guidelines."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(code)) for code in (first, second))
    return (light + 0.05) / (dark + 0.05)


def of_terminal(number: int) -> str:
    """Return one of a terminal's 256 colours, from 16 on."""
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    cube = divmod(number - 16, 36)
    return "#" + "".join(f"{step and 55 + 40 * step:02x}" for step in (cube[0], *divmod(cube[1], 6)))


@pytest.mark.parametrize(
    ("colours", "papers", "least"),
    [
        (svg.CURVES, [svg.PAPER], 3.0),
        ([svg.DARK[code] for code in svg.CURVES], [svg.DARK[svg.PAPER]], 4.4),
        ([of_terminal(number) for number in plots.COLOURS], ["#000000", "#ffffff"], 2.2),
    ],
    ids=["light", "dark", "terminal"],
)
def test_eight_colours_are_distinguishable_with_every_kind_of_colour_vision(
    colours: Sequence[str], papers: Sequence[str], least: float
) -> None:
    assert len(colours) == 8
    assert min(contrast(code, paper) for code in colours for paper in papers) >= least
    for sight, matrix in SIGHTS.items():
        seen = [lab(np.array(matrix) @ linear(code)) for code in colours]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 20, sight
