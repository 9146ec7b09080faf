"""A fourth spec and its server, from a package of another author: found, checked, loaded and ranked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.zoo import command

GUEST = Path(__file__).parent / "guest" / "lines"
ENTRY_POINT = "[harness]\nlines = guest_lines\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it there."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(GUEST, folder / "guest_lines", ignore=shutil.ignore_patterns("__pycache__"))
    about = folder / "guest_lines-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guest-lines\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINT)
    return folder


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "100"}
    return subprocess.run(command(*words), cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_its_server_is_listed(site: Path, tmp_path: Path) -> None:
    (server,) = json.loads(run(site, tmp_path, "list", "--json", "--spec", "lines").stdout)
    assert (server["name"], server["available"]) == ("liner", True)


def test_it_is_judged_by_its_own_and_the_shared_cases_and_loaded_and_ranked(site: Path, tmp_path: Path) -> None:
    ended = run(site, tmp_path, "run", "liner", "--profile", "smoke", "--json", "out.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    ids = {case["id"] for case in result["cases"]}
    assert {"a_cr_belongs_to_the_line", "the_ready_line_is_exact", "a_lone_client_hears_itself"} <= ids
    requirements = {"LN-START-1", "LN-DELIVER-1", "LN-ORDER-2", "LN-LINE-1"}
    assert {requirement for case in result["cases"] for requirement in case["requirements"]} == requirements
    assert "lines\n#  server" in ended.stdout
    assert any(line.split()[:2] == ["1", "liner"] for line in ended.stdout.splitlines())
    assert run(site, tmp_path, "report", "--spec", "lines").returncode == 0


def test_its_requirements_are_explained(site: Path, tmp_path: Path) -> None:
    assert "white space is stripped" in run(site, tmp_path, "explain", "LN-LINE-1").stdout


def test_without_it_there_is_no_such_spec(tmp_path: Path) -> None:
    ended = run(tmp_path, tmp_path, "check", "--all", "--spec", "lines")
    assert ended.returncode == 2
    assert 'there is no spec "lines"' in ended.stderr
