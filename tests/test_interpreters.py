"""`--python`: adds variants of the servers in Python that run under other interpreters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.model import Implementation, Run
from harness.plugins import ReportView
from harness.records import from_json, to_json
from harness.report.formats.terminal import render
from harness.zoo import build
from harness.zoo.discover import select, why_unavailable
from harness.zoo.toolchains import interpreters, needs
from tests.sample_runs import flooded, run_of
from tests.test_toolchain import script
from tests.zoo import harness

SERVER = Path(__file__).parent / "server.py"
MINE = Implementation(name="mine", spec="broadcast", source=SERVER, needs=("python:json",))
OTHER = Implementation(name="other", spec="broadcast", run=("./other",), needs=("command:sh",))


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    needs.clear_cache()


def this_python(path: Path, options: str = "") -> Path:
    """Create an interpreter with another name that runs this Python."""
    return script(path, f'echo "$*" >> {path}.log\nexec {sys.executable} {options} "$@"')


def test_variants_follow_the_servers_that_this_python_runs() -> None:
    servers = interpreters.add_variants([OTHER, MINE], ["pypy3", "/opt/new/python3.13", "pypy3"])
    assert [server.name for server in servers] == ["other", "mine", "mine (pypy3)", "mine (python3.13)"]
    assert [build.command(server) for server in servers[1:]] == [
        (sys.executable, str(SERVER)),
        ("pypy3", str(SERVER)),
        ("/opt/new/python3.13", str(SERVER)),
    ]
    assert servers[2].needs == ("command:pypy3", "python:json")
    assert interpreters.add_variants([OTHER, MINE], []) == [OTHER, MINE]
    assert [from_json(to_json(server), Implementation) for server in servers] == servers


def test_interpreters_with_equal_names_are_labelled_by_their_paths() -> None:
    servers = interpreters.add_variants([MINE], ["/opt/3.12/python", "/opt/3.13/python"])
    assert [server.name for server in servers[1:]] == ["mine (/opt/3.12/python)", "mine (/opt/3.13/python)"]


def test_a_path_is_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/far")
    assert [server.python for server in interpreters.add_variants([MINE], ["bin/python9", "~/python9"])[1:]] == [
        str(tmp_path / "bin" / "python9"),
        "/far/python9",
    ]


def test_interpreters_without_a_server_in_python_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"--python pypy3: none of these servers is in Python"):
        interpreters.add_variants([OTHER], ["pypy3"])
    with pytest.raises(UsageError, match=r"none of these servers is in Python"):
        select(["c_epoll"], everything=False, spec=None, pythons=["pypy3"])


def test_a_missing_or_broken_interpreter_is_the_only_reason_shown(tmp_path: Path) -> None:
    shim = script(tmp_path / "shim", "echo 'shim: no such version' >&2\nexit 127")
    _, gone, broken = interpreters.add_variants([MINE], ["no-such-python", str(shim)])
    assert why_unavailable(gone) == "no-such-python is not installed"
    assert why_unavailable(broken) == f"{shim} does not work: shim: no such version"


def test_a_missing_package_is_shown_with_the_command_that_installs_it(tmp_path: Path) -> None:
    python = this_python(tmp_path / "bare", "-S -I")
    needing = [
        Implementation(name=name, spec="broadcast", source=SERVER, needs=("python:json", "python:twisted"))
        for name in ("first", "second")
    ]
    _, first, _, second = interpreters.add_variants(needing, [str(python)])
    for server in (first, second):
        assert why_unavailable(server) == f"{python} has no package twisted: {python} -m pip install twisted"
    log = (tmp_path / "bare.log").read_text().splitlines()
    assert sum("import twisted" in line for line in log) == 1


def test_a_module_in_the_current_folder_is_no_package_of_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies_here.py").touch()
    server = Implementation(name="mine", spec="broadcast", source=SERVER, needs=("python:lies_here",))
    assert "has no package lies_here" in why_unavailable(interpreters.add_variants([server], [sys.executable])[1])


def test_an_interpreter_that_is_too_old_is_reported(tmp_path: Path) -> None:
    python = script(tmp_path / "old", 'case "$*" in *python_version*) echo 3.9.16 ;; esac')
    server = Implementation(name="mine", spec="broadcast", source=SERVER, needs=("python>=3.10",))
    assert why_unavailable(server) == ""
    assert why_unavailable(interpreters.add_variants([server], [str(python)])[1]) == (
        f"the Python of {python} is 3.9.16, but 3.10 or newer is needed"
    )


def test_variants_are_checked_and_reported_like_other_servers(tmp_path: Path) -> None:
    python = this_python(tmp_path / "copy", "-S -I")
    ended = harness(
        *("check", "asyncio", "twisted", "--spec", "broadcast", "-k", "ready_line", "--json", "out.json"),
        *("--python", f"{python},no-such-python"),
        folder=tmp_path,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = {
        result["implementation"]: result for result in json.loads((tmp_path / "out.json").read_text())["results"]
    }
    assert {name: result["verdict"] for name, result in results.items()} == {
        "asyncio": "pass",
        "asyncio (copy)": "pass",
        "asyncio (no-such-python)": "unsupported",
        "twisted": "pass",
        "twisted (copy)": "unsupported",
        "twisted (no-such-python)": "unsupported",
    }
    assert (
        f"twisted (copy) unavailable: {python} has no package twisted: {python} -m pip install twisted" in ended.stdout
    )
    assert "asyncio (no-such-python) unavailable: no-such-python is not installed\n" in ended.stdout
    assert "3 of 6 servers pass every MUST, 3 are unavailable" in ended.stdout
    assert any("broadcast.py 127.0.0.1" in line for line in (tmp_path / "copy.log").read_text().splitlines())


def test_variants_are_listed(tmp_path: Path) -> None:
    python = this_python(tmp_path / "copy")
    ended = harness("list", "--spec", "broadcast", "--json", "--python", str(python), folder=tmp_path)
    by_name = {row["name"]: row for row in json.loads(ended.stdout)}
    row = by_name["asyncio (copy)"]
    assert (row["available"], row["python"]) == (True, str(python))
    assert row["toolchain"][0]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert "c_epoll (copy)" not in by_name


def test_the_report_of_a_run_shows_unavailable_servers() -> None:
    run = run_of(flooded("mine", 10, 1e6))
    absent = Implementation(name="mine (/opt/3.13/python)", spec="chatter")
    info = msgspec.structs.replace(
        run.info,
        implementations=(*run.info.implementations, absent),
        unavailable={f"chatter/{absent.name}": "far away"},
    )
    assert "\nmine (/opt/3.13/python): unavailable: far away\n" in render(Run(info, [], run.trials), ReportView())
