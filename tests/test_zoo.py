"""The zoo as a whole: how many servers and languages it has, and that each is a page of code with a README."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from harness import plugins
from harness.styles import STYLES
from harness.zoo.code_lines import code_lines
from tests.zoo_page import PAGE, current

FIRST = next(iter(plugins.specs()))
ZOO = [server for server in plugins.implementations() if server.spec == FIRST]
IMPLS = Path(__file__).parent.parent / "impls"
README_LINES = range(8, 61)  # the README of a folder for several specs is longer


def test_there_are_forty_servers_in_fifteen_languages() -> None:
    assert len(ZOO) >= 40
    assert len({server.language for server in ZOO}) >= 15


def test_at_least_six_in_python_serve_a_second_spec() -> None:
    counts = [
        sum(server.spec == spec and server.language == "Python" for server in plugins.implementations())
        for spec in plugins.specs()
    ]
    assert sorted(counts)[-2] >= 6


def test_the_median_server_is_a_page() -> None:
    lines = [code_lines(server) for server in ZOO]
    assert statistics.median(lines) < 150, sorted(lines)


def test_the_page_about_the_zoo_has_all_servers() -> None:
    assert PAGE.read_text("utf-8") == current(), "make zoo"


def test_every_server_declares_a_style() -> None:
    assert [server.name for server in plugins.implementations() if server.style not in STYLES] == []


@pytest.mark.parametrize("folder", sorted(IMPLS.glob("*_impl")), ids=lambda folder: folder.name)
def test_each_folder_has_a_readme_on_how_the_server_works(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    assert text.startswith("# ")
    if folder.name != "executor_impl":  # this folder is also a library and a tutorial
        assert len(text.splitlines()) in README_LINES
    for topic in ("onnection", "order", "low client", "escriptors"):
        assert topic in text, f"nothing about {topic}"
