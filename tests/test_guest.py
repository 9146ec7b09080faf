"""A fourth spec and its server, from the repository of another author: found, checked, tested, loaded and ranked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.zoo import command

GUEST = Path(__file__).parent / "guest"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, with what an editable installation leaves: metadata on the search path."""
    folder = tmp_path_factory.mktemp("repository") / "my-protocol"
    shutil.copytree(GUEST, folder, ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = [f"{name} = {value}" for name, value in project["entry-points"]["harness"].items()]
    (about / "entry_points.txt").write_text("\n".join(["[harness]", *entries, ""]))
    return folder


def run(repository: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(repository), "COLUMNS": "100"}
    return subprocess.run(command(*words), cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_its_server_is_listed(repository: Path, tmp_path: Path) -> None:
    (server,) = json.loads(run(repository, tmp_path, "list", "--json", "--spec", "lines").stdout)
    assert (server["name"], server["available"]) == ("liner", True)


def test_it_is_judged_by_its_own_and_the_shared_cases_and_loaded_and_ranked(repository: Path, tmp_path: Path) -> None:
    ended = run(repository, tmp_path, "run", "liner", "--profile", "smoke", "--json", "out.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    ids = {case["id"] for case in result["cases"]}
    assert {"a_cr_belongs_to_the_line", "the_ready_line_is_exact", "a_lone_client_receives_its_own_messages"} <= ids
    requirements = {"LN-START-1", "LN-DELIVER-1", "LN-ORDER-2", "LN-LINE-1"}
    assert {requirement for case in result["cases"] for requirement in case["requirements"]} == requirements
    assert "lines\n#  server" in ended.stdout
    assert any(line.split()[:2] == ["1", "liner"] for line in ended.stdout.splitlines())
    assert run(repository, tmp_path, "report", "--spec", "lines").returncode == 0


def test_an_executable_is_checked_by_its_path(repository: Path, tmp_path: Path) -> None:
    shutil.copy(GUEST / "lines_protocol" / "server.py", tmp_path / "server")
    (tmp_path / "server").chmod(0o755)
    ended = run(repository, tmp_path, "check", "./server", "--spec", "lines", "-k", "cr_belongs")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_its_requirements_are_explained(repository: Path, tmp_path: Path) -> None:
    assert "white space is stripped" in run(repository, tmp_path, "explain", "LN-LINE-1").stdout


def test_its_own_tests_pass(repository: Path, tmp_path: Path) -> None:
    """Among them that its cases catch every mutant and blame no conforming server: the cases run on six servers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "harness").write_text(f"#!{sys.executable}\nfrom harness.commands.main import main\nmain()\n")
    (programs / "harness").chmod(0o755)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(repository), str(GUEST.parent.parent)]),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout and "skipped" not in ended.stdout


def test_without_it_there_is_no_such_spec(tmp_path: Path) -> None:
    ended = run(tmp_path, tmp_path, "check", "--all", "--spec", "lines")
    assert ended.returncode == 2
    assert 'there is no spec "lines"' in ended.stderr
