"""What tools answered is remembered for commands that only show it, as long as the machine looks the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.zoo.toolchains import answers
from tests.test_toolchain import script

ASKED = ["asked", "--version"]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool on the search path that notes each time it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))  # without folders in which others may install something meanwhile
    script(folder / "asked", f"echo x >> {tmp_path}/log; echo version 1.2")
    return folder


def times_asked(tool: Path) -> int:
    return len((tool.parent / "log").read_text().splitlines())


def version(folder: Path) -> str:
    with answers.remembered(folder / "cache"):
        return answers.query(ASKED).version


def test_an_answer_is_remembered(tool: Path, tmp_path: Path) -> None:
    assert [version(tmp_path) for _ in range(3)] == ["1.2"] * 3
    assert times_asked(tool) == 1


def test_outside_of_the_context_a_tool_is_asked_each_time(tool: Path, tmp_path: Path) -> None:
    version(tmp_path)
    assert [answers.query(ASKED).version for _ in range(2)] == ["1.2"] * 2
    assert times_asked(tool) == 3


def test_a_new_file_on_the_search_path_makes_all_answers_old(tool: Path, tmp_path: Path) -> None:
    version(tmp_path)
    script(tool / "another", "")
    version(tmp_path)
    assert times_asked(tool) == 2


def test_another_search_path_makes_all_answers_old(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version(tmp_path)
    monkeypatch.setenv("PKG_CONFIG_PATH", "/elsewhere")
    version(tmp_path)
    assert times_asked(tool) == 2


@pytest.mark.parametrize("shift_s", [-answers.MAX_AGE_S - 1, 60])
def test_an_answer_of_another_time_is_not_used(shift_s: float, tool: Path, tmp_path: Path) -> None:
    version(tmp_path)
    file = tmp_path / "cache" / "answers.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "asked_s": data["asked_s"] + shift_s}))
    version(tmp_path)
    assert times_asked(tool) == 2


def test_a_broken_file_is_written_again(tool: Path, tmp_path: Path) -> None:
    version(tmp_path)
    (tmp_path / "cache" / "answers.json").write_text("{")
    assert [version(tmp_path) for _ in range(2)] == ["1.2"] * 2
    assert times_asked(tool) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tool: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    assert version(tmp_path) == "1.2"
