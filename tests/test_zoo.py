"""The zoo as a whole: how many stand in it, in how many languages, and that each is a page with a page beside it."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from harness import plugins
from harness.zoo.code_lines import code_lines

FIRST = next(iter(plugins.specs()))
ZOO = [one for one in plugins.implementations() if one.spec == FIRST]
IMPLS = Path(__file__).parent.parent / "impls"
README_LINES = range(8, 40)  # those of several specs say more


def test_there_are_forty_servers_in_fifteen_languages() -> None:
    assert len(ZOO) >= 40
    assert len({one.language for one in ZOO}) >= 15


def test_at_least_six_in_python_serve_a_second_spec() -> None:
    counts = [
        sum(one.spec == spec and one.language == "Python" for one in plugins.implementations())
        for spec in plugins.specs()
    ]
    assert sorted(counts)[-2] >= 6


def test_the_median_server_is_a_page() -> None:
    lines = [code_lines(one) for one in ZOO]
    assert statistics.median(lines) < 150, sorted(lines)


@pytest.mark.parametrize("folder", sorted(IMPLS.glob("*_impl")), ids=lambda folder: folder.name)
def test_each_has_a_page_on_how_it_works(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    assert text.startswith("# ")
    if folder.name != "executor_impl":  # that one is a library too, and a lesson
        assert len(text.splitlines()) in README_LINES
    for said in ("onnection", "order", "low client", "escriptors"):
        assert said in text, f"nothing of {said}"
