"""Badges: what they say, that they are accessible, and that no name breaks them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from harness.model import CaseResult, Implementation, Level, Run, Verdict
from harness.site.badges import BAD, DARK, FIGURE, GOOD, NEUTRAL, Badge, badges, text_width_px, write_badges
from tests.simulated_runs import run_of, write_run
from tests.zoo import harness

SVG = "{http://www.w3.org/2000/svg}"
LEVELS = {"ant": 9e6, "bee": 5e6, "cow": 4.99e6}


def checked(run: Run, verdicts: dict[str, list[Verdict]], **changed: object) -> Run:
    """Return a run with results of cases of these servers."""
    cases = [
        CaseResult(
            implementation=name,
            spec="broadcast",
            id=f"case_{number}",
            requirements=("BC-ORDER-2",),
            level=Level.MUST,
            verdict=verdict,
        )
        for name, its in verdicts.items()
        for number, verdict in enumerate(its)
    ]
    return Run(msgspec.structs.replace(run.info, **changed), cases, run.trials, run.blocks)


def by_path(run: Run) -> dict[str, Badge]:
    return {badge.path: badge for badge in badges(run)}


def test_conformance_says_how_many_cases_pass() -> None:
    verdicts = {
        "ant": [Verdict.PASS, Verdict.PASS, Verdict.INFO],
        "bee": [Verdict.PASS, Verdict.FAIL],
        "cow": [Verdict.PASS, Verdict.UNKNOWN],
    }
    found = by_path(checked(run_of(LEVELS | {"dog": 1e6}), verdicts))
    texts = {name: found[f"broadcast/{name}-conformance.svg"] for name in ("ant", "bee", "cow", "dog")}
    assert {name: (badge.text, badge.colour) for name, badge in texts.items()} == {
        "ant": ("pass 2/2", GOOD),
        "bee": ("fail 1/2", BAD),
        "cow": ("unknown 1/2", NEUTRAL),
        "dog": ("not checked", NEUTRAL),
    }
    assert texts["ant"].label == "broadcast"
    assert texts["ant"].title == "ant passes 2/2 cases of broadcast"


def test_a_smoke_check_says_so() -> None:
    found = by_path(checked(run_of(LEVELS), {"ant": [Verdict.PASS]}, smoke=True))
    assert found["broadcast/ant-conformance.svg"].text == "pass 1/1 smoke"


def test_the_league_says_tier_and_score() -> None:
    found = by_path(run_of(LEVELS))
    ant, bee, cow = (found[f"broadcast/{name}-league.svg"] for name in LEVELS)
    assert (ant.text, ant.colour) == ("tier A, score 100 %", FIGURE)
    assert bee.text == "tier B, score 56 %"
    assert cow.text == "tier B, score 55 %"
    assert "rank 2 to 3" in cow.title


def test_without_enough_blocks_there_is_no_tier() -> None:
    assert by_path(run_of(LEVELS, blocks=3))["broadcast/bee-league.svg"].text == "score 56 %"


def test_a_server_that_failed_and_a_run_that_is_invalid_have_no_score() -> None:
    failed = by_path(checked(run_of(LEVELS), {"ant": [Verdict.FAIL], "bee": [Verdict.PASS]}))
    assert failed["broadcast/ant-league.svg"].text == "not ranked"
    assert failed["broadcast/bee-league.svg"].text == "tier A, score 100 %"
    run = run_of(LEVELS, control="ant")
    for block in run.blocks:  # the control becomes much slower than its server
        for result in block.slices:
            if result.entry == len(LEVELS):
                result.figures["deliveries_per_s"] /= 2
    assert {badge.text for badge in badges(run) if "league" in badge.path} == {"run invalid"}


HOSTILE = (
    "<script>alert(1)</script>",
    "a&b;\"'",
    "]]>",
    "\u202e\x00\x1b[31m",
    "../../../etc/passwd",
    "\udcff",
    "中" * 200,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_and_no_path(tmp_path: Path, name: str) -> None:
    run = run_of({"ant": 1e6})
    server = Implementation(name=name, spec=name)
    paths = write_badges(checked(run, {}, implementations=(server,)), tmp_path / "badges")
    assert len(paths) == 2
    for path in paths:
        assert path.resolve().parent.parent == tmp_path / "badges"
        root = ElementTree.fromstring(path.read_bytes())
        assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
            "svg", "title", "clipPath", "rect", "g", "text"
        }  # fmt: skip
        title = root.findtext(f"{SVG}title") or ""
        assert title.isprintable()
        assert name[:5].isprintable() is (name[:5] in title)


def test_it_is_an_image_with_a_title_for_screen_readers() -> None:
    root = ElementTree.fromstring(Badge("a.svg", "the title", "left", "right", GOOD).svg())
    assert root.get("role") == "img"
    title = root[0]
    assert (title.tag, title.text) == (f"{SVG}title", "the title")
    assert root.get("aria-labelledby") == title.get("id")


@pytest.mark.parametrize("text", ["pass 114/114", "W", "i" * 30, "中文", ""])
def test_texts_fit_their_halves(text: str) -> None:
    root = ElementTree.fromstring(Badge("a.svg", "title", text, text, GOOD).svg())
    left, right = (text for text in root.iter(f"{SVG}text"))
    split, rest = (rect for rect in root.iter(f"{SVG}rect") if rect.get("fill"))
    assert float(left.get("x", 0)) + float(left.get("textLength", 0)) < float(split.get("width", 0))
    assert float(right.get("x", 0)) + float(right.get("textLength", 0)) < float(root.get("width", 0))
    assert float(split.get("width", 0)) + float(rest.get("width", 0)) == float(root.get("width", 0))


def test_widths_are_those_of_the_font() -> None:
    assert text_width_px("iiii") < text_width_px("oooo") < text_width_px("WWWW") <= text_width_px("中中中中")
    assert abs(text_width_px("pass 114/114") - 74.4) <= 1  # the advance widths of DejaVu Sans at 11 px


@pytest.mark.parametrize("colour", [DARK, GOOD, BAD, NEUTRAL, FIGURE])
def test_white_text_is_readable_on_each_colour(colour: str) -> None:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    luminance = sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_the_command_writes_two_for_each_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(run_of(LEVELS), "made")
    ended = harness("report", "--badges", "badges", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "badges: 6 badges written\n")
    assert len(list((tmp_path / "badges/broadcast").glob("*.svg"))) == 6
