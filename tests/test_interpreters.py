"""`--python`: the servers in Python under other interpreters are entries of their own, or lines that say "not here"."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.model import Implementation, Run
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
def asked_anew() -> None:
    needs.clear_cache()


def this_python(path: Path, options: str = "") -> Path:
    """Make an interpreter that is another one by its name."""
    return script(path, f'echo "$*" >> {path}.log\nexec {sys.executable} {options} "$@"')


def test_they_stand_behind_the_servers_that_this_python_runs() -> None:
    found = interpreters.add_variants([OTHER, MINE], ["pypy3", "/opt/new/python3.13", "pypy3"])
    assert [one.name for one in found] == ["other", "mine", "mine (pypy3)", "mine (python3.13)"]
    assert [build.command(one) for one in found[1:]] == [
        (sys.executable, str(SERVER)),
        ("pypy3", str(SERVER)),
        ("/opt/new/python3.13", str(SERVER)),
    ]
    assert found[2].needs == ("command:pypy3", "python:json")
    assert interpreters.add_variants([OTHER, MINE], []) == [OTHER, MINE]
    assert [from_json(to_json(one), Implementation) for one in found] == found


def test_two_of_one_name_are_called_by_their_paths() -> None:
    found = interpreters.add_variants([MINE], ["/opt/3.12/python", "/opt/3.13/python"])
    assert [one.name for one in found[1:]] == ["mine (/opt/3.12/python)", "mine (/opt/3.13/python)"]


def test_a_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/far")
    assert [one.python for one in interpreters.add_variants([MINE], ["bin/python9", "~/python9"])[1:]] == [
        str(tmp_path / "bin" / "python9"),
        "/far/python9",
    ]


def test_where_nothing_is_in_python_there_is_nothing_for_them_to_run() -> None:
    with pytest.raises(UsageError, match=r"--python pypy3: none of these servers is in Python"):
        interpreters.add_variants([OTHER], ["pypy3"])
    with pytest.raises(UsageError, match=r"none of these servers is in Python"):
        select(["c_epoll"], everything=False, spec=None, pythons=["pypy3"])


def test_one_that_is_not_here_or_does_not_work_is_told_and_nothing_else(tmp_path: Path) -> None:
    shim = script(tmp_path / "shim", "echo 'shim: no such version' >&2\nexit 127")
    _, gone, broken = interpreters.add_variants([MINE], ["no-such-python", str(shim)])
    assert why_unavailable(gone) == "no-such-python is not installed"
    assert why_unavailable(broken) == f"{shim} does not work: shim: no such version"


def test_one_that_lacks_a_package_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    python = this_python(tmp_path / "bare", "-S -I")
    needing = [
        Implementation(name=name, spec="broadcast", source=SERVER, needs=("python:json", "python:twisted"))
        for name in ("first", "second")
    ]
    _, first, _, second = interpreters.add_variants(needing, [str(python)])
    for one in (first, second):
        assert why_unavailable(one) == f"{python} has no package twisted: {python} -m pip install twisted"
    asked = (tmp_path / "bare.log").read_text().splitlines()
    assert sum("import twisted" in line for line in asked) == 1


def test_what_lies_in_this_folder_is_no_package_of_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies_here.py").touch()
    one = Implementation(name="mine", spec="broadcast", source=SERVER, needs=("python:lies_here",))
    assert "has no package lies_here" in why_unavailable(interpreters.add_variants([one], [sys.executable])[1])


def test_one_that_is_too_old_for_a_server_is_told(tmp_path: Path) -> None:
    python = script(tmp_path / "old", 'case "$*" in *python_version*) echo 3.9.16 ;; esac')
    one = Implementation(name="mine", spec="broadcast", source=SERVER, needs=("python>=3.10",))
    assert why_unavailable(one) == ""
    assert why_unavailable(interpreters.add_variants([one], [str(python)])[1]) == (
        f"the Python of {python} is 3.9.16, but 3.10 or newer is needed"
    )


def test_they_are_checked_and_told_like_any_other(tmp_path: Path) -> None:
    python = this_python(tmp_path / "twin", "-S -I")
    ended = harness(
        *("check", "asyncio", "twisted", "--spec", "broadcast", "-k", "ready_line", "--json", "out.json"),
        *("--python", f"{python},no-such-python"),
        folder=tmp_path,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = {one["implementation"]: one for one in json.loads((tmp_path / "out.json").read_text())["results"]}
    assert {name: one["verdict"] for name, one in told.items()} == {
        "asyncio": "pass",
        "asyncio (twin)": "pass",
        "asyncio (no-such-python)": "unsupported",
        "twisted": "pass",
        "twisted (twin)": "unsupported",
        "twisted (no-such-python)": "unsupported",
    }
    assert (
        f"twisted (twin) unavailable: {python} has no package twisted: {python} -m pip install twisted" in ended.stdout
    )
    assert "asyncio (no-such-python) unavailable: no-such-python is not installed\n" in ended.stdout
    assert "3 of 6 servers pass every MUST, 3 are unavailable" in ended.stdout
    assert any("broadcast.py 127.0.0.1" in line for line in (tmp_path / "twin.log").read_text().splitlines())


def test_they_are_listed(tmp_path: Path) -> None:
    python = this_python(tmp_path / "twin")
    ended = harness("list", "--spec", "broadcast", "--json", "--python", str(python), folder=tmp_path)
    by_name = {one["name"]: one for one in json.loads(ended.stdout)}
    one = by_name["asyncio (twin)"]
    assert (one["available"], one["python"]) == (True, str(python))
    assert one["toolchain"][0]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert "c_epoll (twin)" not in by_name


def test_the_report_of_a_run_tells_those_that_were_not_here() -> None:
    run = run_of(flooded("mine", 10, 1e6))
    absent = Implementation(name="mine (/opt/3.13/python)", spec="chatter")
    info = msgspec.structs.replace(
        run.info,
        implementations=(*run.info.implementations, absent),
        unavailable={f"chatter/{absent.name}": "far away"},
    )
    assert "\nmine (/opt/3.13/python): not here: far away\n" in render(Run(info, [], run.trials), 80)
