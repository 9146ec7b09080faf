"""What servers need: how it is written, whether it is here, which version it is, and what installs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import plugins, toolchain
from harness.errors import UsageError
from harness.model import Implementation
from harness.toolchain import Answer, Tool
from harness.zoo.discover import missing, why_not_here
from harness.zoo.toolchains import needs


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    needs.forget()


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for commands that a test makes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def server(*wanted: str, **own: Tool) -> Implementation:
    return Implementation(name="far", spec="broadcast", run=("far",), needs=wanted, tools=own)


def versions(one: Implementation) -> Sequence[str]:
    return [found.version for found in needs.survey([one])]


def test_the_table_says_what_each_tool_is() -> None:
    for key, tool in toolchain.table().items():
        kind, _, name = key.partition(":")
        assert kind in toolchain.kinds(), key
        assert key.endswith(":*") or toolchain.known(kind, name, {}).what, key
        assert not tool.install or not tool.debian, key


@pytest.mark.parametrize("one", plugins.implementations(), ids=lambda one: f"{one.spec}-{one.name}")
def test_of_whatever_the_zoo_needs_it_is_known_what_it_is_and_what_installs_it(one: Implementation) -> None:
    for need in needs.of(one):
        assert need.name == "" or (need.tool.what and need.remedy), need


def test_what_a_server_says_of_a_tool_goes_before_the_table_field_by_field() -> None:
    known = toolchain.known(
        "library", "libmine", {"library:libmine": Tool(debian=("libmine-dev",), what="{name} of mine")}
    )
    assert known.here == ("pkg-config", "--exists", "libmine")
    assert (known.what, known.debian) == ("libmine of mine", ("libmine-dev",))
    assert toolchain.known("library", "liburing", {}).debian == ("liburing-dev", "pkg-config")
    own = {"command:*": Tool(install="brew install {name}"), "command:gcc": Tool(version=("gcc", "-v"))}
    assert toolchain.known("command", "gcc", own).install == "brew install gcc"
    assert toolchain.known("command", "gcc", own).version == ("gcc", "-v")


def test_a_kind_of_ones_own_says_how_it_is_found(commands: Path) -> None:
    script(commands / "ask_apl", '[ "$1" = there ] && echo "APL: $1 2.7"')
    own = {"apl:*": Tool(here=("ask_apl", "{name}"), version=("ask_apl", "{name}"), what="APL workspace")}
    assert versions(server("apl:there", **own)) == ["2.7"]
    assert why_not_here(server("apl:gone", **own)) == "APL workspace gone is not here"
    assert why_not_here(server("apl:there", **{"apl:*": Tool(here=("no_apl",))})) == (
        "apl there is not found, for no_apl is not here"
    )


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("gcc", 'needs "gcc", which is not written "KIND:NAME" or "KIND:NAME>=VERSION"'),
        ("command:gcc>=new", "which is not written"),
        ("command:", "which is not written"),
        ("command>=3", "which is not written"),
        ("libary:liburing", 'nothing says how to find a "libary"; did you mean library?'),
        ("python:os; print", "which is not written"),
        ("python:os,sys", '"os,sys" is not the name of a module'),
    ],
)
def test_what_cannot_be_meant_is_told(wanted: str, words: str) -> None:
    with pytest.raises(UsageError) as told:
        needs.of(server(wanted))
    assert words in str(told.value)


def test_what_is_not_here_is_told_with_what_installs_it() -> None:
    tool = Tool(debian=("far-away", "farther"))
    assert missing(server("command:far-away", **{"command:far-away": tool})) == [
        ("far-away is not here", "apt-get install far-away farther")
    ]
    assert why_not_here(server("command:far-away")) == "far-away is not here"
    assert why_not_here(server("python:far_away")) == "Python package far_away is not here: pip install far_away"
    assert why_not_here(server("python:far_away.part")) != ""
    assert why_not_here(server("python:json", "python:os.path", "command:sh")) == ""


def test_a_tool_that_is_too_old_or_does_not_work_is_not_here(commands: Path) -> None:
    script(commands / "far", 'echo "far (made 2021) version 1.63.0"')
    assert why_not_here(server("command:far>=1.63")) == ""
    assert why_not_here(server("command:far>=1.85")) == "far is 1.63.0, and 1.85 is needed"
    script(commands / "mute", "exit 1")
    assert why_not_here(server("command:mute")) == ""
    assert why_not_here(server("command:mute>=1")) == "mute is of an unknown version, and 1 is needed"
    script(commands / "shim", "echo 'shim: no version is chosen' >&2; exit 127")
    working = {"command:shim": Tool(here=("shim", "-c", ""))}
    assert why_not_here(server("command:shim", **working)) == "shim does not work: shim: no version is chosen"
    assert why_not_here(server("python>=3.11")) == ""
    assert why_not_here(server("python>=99")).startswith("Python is 3.")


@pytest.mark.parametrize(
    ("said", "complaint", "found"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\n", "", "12.2.0"),
        ("go version go1.26.8 linux/amd64\n", "", "1.26.8"),
        ("", 'openjdk version "17.0.15" 2025-04-15\n', "17.0.15"),
        ("javac 21\n", "", "21"),
        ("v18.20.4\n", "Picked up OPTIONS: -Xmx2g\n", "18.20.4"),
        ("\nThis is perl 5, version 36, subversion 0 (v5.36.0)\n", "", "5.36.0"),
        ("nothing to tell\n", "", ""),
    ],
)
def test_a_version_is_read_from_what_a_tool_says(said: str, complaint: str, found: str) -> None:
    assert Answer(0, said, complaint).version == found
    assert Answer(1, said, complaint).version == ""


@pytest.mark.parametrize(
    ("have", "least", "enough"),
    [("1.85.0", "1.85", True), ("1.9", "1.10", False), ("3", "3.0", True), ("3.9.18", "3.10", False), ("", "1", False)],
)
def test_versions_are_compared_by_their_numbers(have: str, least: str, enough: bool) -> None:
    assert toolchain.at_least(have, least) is enough


def test_a_tool_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        hangs = script(tmp_path / "hangs", f"exec 3> {fifo}; echo here >&3; sleep 100 & wait")
        begun = time.monotonic()
        answer = toolchain.ask([str(hangs)], seconds=1.5)
        assert (answer.status, answer.reason) == (124, f"{hangs} took over 1.5 s")
        assert time.monotonic() - begun < 60, "it was waited for what it had started"
        os.set_blocking(reading, True)
        assert os.read(reading, 100) == b"here\n"
        assert os.read(reading, 100) == b"", "somebody still has it open"
    finally:
        os.close(reading)


def test_a_tool_that_is_not_there_or_fails_says_why(tmp_path: Path) -> None:
    assert toolchain.ask(["no-such-tool"]).reason == "no-such-tool: No such file or directory"
    assert toolchain.ask(["false"]).reason == "exited with status 1"
    assert (
        toolchain.ask([sys.executable, "-c", "import no_such"]).reason
        == "ModuleNotFoundError: No module named 'no_such'"
    )


def test_tools_are_asked_at_once(commands: Path) -> None:
    # Each waits until the other is asked: one after the other they would both be killed.
    for name in ("one", "other"):
        os.mkfifo(commands / f"{name}.fifo")
    script(commands / "one", f"echo > {commands}/one.fifo; cat {commands}/other.fifo; echo 1.1")
    script(commands / "other", f"cat {commands}/one.fifo; echo > {commands}/other.fifo; echo 2.2")
    assert versions(server("command:one", "command:other")) == ["1.1", "2.2"]


def test_a_tool_is_asked_once(commands: Path) -> None:
    script(commands / "one", f"echo asked >> {commands}/log; echo 1.1")
    for name in ("first", "second"):
        assert versions(Implementation(name=name, spec="broadcast", needs=("command:one>=1",))) == ["1.1"]
    assert (commands / "log").read_text() == "asked\n"
