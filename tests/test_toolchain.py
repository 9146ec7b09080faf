"""The needs of servers: their syntax, whether each is installed, in which version, and what installs it."""

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
from harness.toolchain import Tool, ToolOutput
from harness.zoo.discover import missing, why_unavailable
from harness.zoo.toolchains import needs


@pytest.fixture(autouse=True)
def no_cached_answers() -> None:
    needs.clear_cache()


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH, for commands that a test creates."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def server(*wanted: str, **declared: Tool) -> Implementation:
    return Implementation(name="far", spec="broadcast", run=("far",), needs=wanted, tools=declared)


def versions(implementation: Implementation) -> Sequence[str]:
    return [result.version for result in needs.survey([implementation])]


def test_the_table_describes_each_tool() -> None:
    for key, tool in toolchain.table().items():
        kind, _, name = key.partition(":")
        assert kind in toolchain.kinds(), key
        assert key.endswith(":*") or toolchain.lookup(kind, name, {}).what, key
        assert not tool.install or not tool.debian, key


@pytest.mark.parametrize(
    "implementation",
    plugins.implementations(),
    ids=lambda implementation: f"{implementation.spec}-{implementation.name}",
)
def test_every_need_of_the_zoo_has_a_description_and_an_install_command(implementation: Implementation) -> None:
    for need in needs.parse(implementation):
        assert need.name == "" or (need.tool.what and need.install_command), need


def test_a_servers_own_declaration_overrides_the_table_field_by_field() -> None:
    known = toolchain.lookup(
        "library", "libmine", {"library:libmine": Tool(debian=("libmine-dev",), what="{name} of mine")}
    )
    assert known.check == ("pkg-config", "--exists", "libmine")
    assert (known.what, known.debian) == ("libmine of mine", ("libmine-dev",))
    assert toolchain.lookup("library", "liburing", {}).debian == ("liburing-dev", "pkg-config")
    declared = {"command:*": Tool(install="brew install {name}"), "command:gcc": Tool(version=("gcc", "-v"))}
    assert toolchain.lookup("command", "gcc", declared).install == "brew install gcc"
    assert toolchain.lookup("command", "gcc", declared).version == ("gcc", "-v")


def test_a_new_kind_declares_how_it_is_found(commands: Path) -> None:
    script(commands / "ask_apl", '[ "$1" = there ] && echo "APL: $1 2.7"')
    declared = {"apl:*": Tool(check=("ask_apl", "{name}"), version=("ask_apl", "{name}"), what="APL workspace")}
    assert versions(server("apl:there", **declared)) == ["2.7"]
    assert why_unavailable(server("apl:gone", **declared)) == "APL workspace gone is not installed"
    assert why_unavailable(server("apl:there", **{"apl:*": Tool(check=("no_apl",))})) == (
        "apl there cannot be found: no_apl is not installed"
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
        ("python:os,sys", '"os,sys" is no module name'),
    ],
)
def test_an_invalid_need_is_rejected(wanted: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        needs.parse(server(wanted))
    assert words in str(caught.value)


def test_a_missing_tool_is_reported_with_its_install_command() -> None:
    tool = Tool(debian=("far-away", "farther"))
    assert missing(server("command:far-away", **{"command:far-away": tool})) == [
        ("far-away is not installed", "apt-get install far-away farther")
    ]
    assert why_unavailable(server("command:far-away")) == "far-away is not installed"
    assert (
        why_unavailable(server("python:far_away")) == "Python package far_away is not installed: pip install far_away"
    )
    assert why_unavailable(server("python:far_away.part")) != ""
    assert why_unavailable(server("python:json", "python:os.path", "command:sh")) == ""


def test_a_tool_that_is_too_old_or_does_not_work_is_unavailable(commands: Path) -> None:
    script(commands / "far", 'echo "far (made 2021) version 1.63.0"')
    assert why_unavailable(server("command:far>=1.63")) == ""
    assert why_unavailable(server("command:far>=1.85")) == "far is 1.63.0, but 1.85 or newer is needed"
    script(commands / "mute", "exit 1")
    assert why_unavailable(server("command:mute")) == ""
    assert why_unavailable(server("command:mute>=1")) == "mute is of unknown version, but 1 or newer is needed"
    script(commands / "shim", "echo 'shim: no version is chosen' >&2; exit 127")
    working = {"command:shim": Tool(check=("shim", "-c", ""))}
    assert why_unavailable(server("command:shim", **working)) == "shim does not work: shim: no version is chosen"
    assert why_unavailable(server("python>=3.11")) == ""
    assert why_unavailable(server("python>=99")).startswith("Python is 3.")


@pytest.mark.parametrize(
    ("stdout", "stderr", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\n", "", "12.2.0"),
        ("go version go1.26.8 linux/amd64\n", "", "1.26.8"),
        ("", 'openjdk version "17.0.15" 2025-04-15\n', "17.0.15"),
        (
            "",
            'NOTE: Picked up JDK_JAVA_OPTIONS: -X1.2\nPicked up _JAVA_OPTIONS: -Xmx64m\nopenjdk version "17.0.15"\n',
            "17.0.15",
        ),
        ("javac 21\n", "", "21"),
        ("v18.20.4\n", "Picked up OPTIONS: -Xmx2g\n", "18.20.4"),
        ("\nThis is perl 5, version 36, subversion 0 (v5.36.0)\n", "", "5.36.0"),
        ("no number\n", "", ""),
    ],
)
def test_a_version_is_read_from_the_output_of_a_tool(stdout: str, stderr: str, version: str) -> None:
    assert ToolOutput(0, stdout, stderr).version == version
    assert ToolOutput(1, stdout, stderr).version == ""


@pytest.mark.parametrize(
    ("have", "least", "enough"),
    [("1.85.0", "1.85", True), ("1.9", "1.10", False), ("3", "3.0", True), ("3.9.18", "3.10", False), ("", "1", False)],
)
def test_versions_are_compared_by_their_numbers(have: str, least: str, enough: bool) -> None:
    assert toolchain.is_at_least(have, least) is enough


def test_a_tool_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        hangs = script(tmp_path / "hangs", f"exec 3> {fifo}; echo open >&3; sleep 100 & wait")
        started_at = time.monotonic()
        answer = toolchain.run_query([str(hangs)], seconds=1.5)
        assert (answer.status, answer.failure) == (124, f"{hangs} took over 1.5 s")
        assert time.monotonic() - started_at < 60, "its child process was waited for"
        os.set_blocking(reading, True)
        assert os.read(reading, 100) == b"open\n"
        assert os.read(reading, 100) == b"", "a process still has it open"
    finally:
        os.close(reading)


def test_what_a_manifest_runs_to_find_a_tool_leaves_no_daemon(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    daemon = f"exec 3> {fifo}; (setsid sleep 100 > /dev/null 2>&1 &); echo open >&3"
    declared = {"thing:x": Tool(check=("sh", "-c", daemon))}
    try:
        assert missing(server("thing:x", **declared)) == []
        os.set_blocking(reading, True)
        assert os.read(reading, 100) == b"open\n"
        assert os.read(reading, 100) == b"", "a process still has it open"
    finally:
        os.close(reading)


def test_of_a_tool_that_floods_only_the_beginning_is_read() -> None:
    answer = toolchain.run_query(["sh", "-c", "echo 1.2; head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2"])
    assert (answer.status, len(answer.stdout), len(answer.stderr)) == (0, toolchain.MAX_OUTPUT, toolchain.MAX_OUTPUT)
    assert answer.version == "1.2"


@pytest.mark.parametrize("name", ["header:x>';touch${IFS}planted;'", "ruby:x');exit('", "library:--help;", 'lua:x"y'])
def test_the_name_of_a_library_is_no_code(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no name|is not written"):
        needs.parse(server(name))


def test_a_missing_or_failing_tool_gives_a_reason(tmp_path: Path) -> None:
    assert toolchain.run_query(["no-such-tool"]).failure == "no-such-tool: No such file or directory"
    assert toolchain.run_query(["false"]).failure == "exited with status 1"
    assert (
        toolchain.run_query([sys.executable, "-c", "import no_such"]).failure
        == "ModuleNotFoundError: No module named 'no_such'"
    )


def test_tools_are_queried_in_parallel(commands: Path) -> None:
    # Each waits until the other runs: one after the other, both would time out.
    for name in ("one", "other"):
        os.mkfifo(commands / f"{name}.fifo")
    script(commands / "one", f"echo > {commands}/one.fifo; cat {commands}/other.fifo; echo 1.1")
    script(commands / "other", f"cat {commands}/one.fifo; echo > {commands}/other.fifo; echo 2.2")
    assert versions(server("command:one", "command:other")) == ["1.1", "2.2"]


def test_a_tool_is_queried_once(commands: Path) -> None:
    script(commands / "one", f"echo asked >> {commands}/log; echo 1.1")
    for name in ("first", "second"):
        assert versions(Implementation(name=name, spec="broadcast", needs=("command:one>=1",))) == ["1.1"]
    assert (commands / "log").read_text() == "asked\n"
