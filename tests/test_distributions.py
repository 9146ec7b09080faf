"""The wheel and the source distribution in an empty environment, far from this repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.zoo import CONFORMING

ROOT = Path(__file__).parent.parent
GUEST = Path(__file__).parent / "guest"
COMMAND_S = 300
# Other people's packages of these names, which must stay theirs.
TAKEN = ("spec", "impls")


def run(words: Sequence[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without anything in the environment that leads to this repository; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    others = [part for part in environment["PATH"].split(os.pathsep) if not Path(part).is_relative_to(ROOT)]
    environment["PATH"] = os.pathsep.join([str(Path(words[0]).parent), *others])
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**environment, "XDG_CACHE_HOME": str(folder / "cache"), **variables},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it; that of a release, if it is named."""
    if made := os.environ.get("ZILLIONS_DIST"):
        return Path(made).resolve()
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "results", "build", "dist", "*.egg-info", "*.so")
    )
    build = [sys.executable, "-m", "build", "--outdir"]
    run([*build, folder / "dist", source], folder)
    run([*build, folder / "dist" / "pure", "--wheel", source], folder, ZILLIONS_ENGINE="python")
    return folder / "dist"


@pytest.fixture(scope="module")
def programs(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment in which the wheel is installed, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", folder / "venv"], folder)
    programs = folder / "venv" / "bin"
    (wheel,) = distributions.glob("*.whl")
    run([programs / "python", "-m", "pip", "install", "--quiet", wheel], folder)
    return programs


@pytest.mark.exhaustive
def test_the_wheel_takes_no_name_that_others_have(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as zipped:
        names = {name.partition("/")[0] for name in zipped.namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"harness", "zillions"}


@pytest.mark.exhaustive
def test_the_wheel_without_the_native_engine_suits_every_machine(distributions: Path) -> None:
    pure = distributions / "pure"
    (wheel,) = (pure if pure.is_dir() else distributions).glob("*.whl")  # a release has the native ones elsewhere
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as zipped:
        assert [name for name in zipped.namelist() if name.endswith(".so")] == []


@pytest.mark.exhaustive
def test_both_have_every_file_of_the_packages(distributions: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "harness", "spec", "impls"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {name for name in listed.stdout.split("\0") if name}
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert files - {name.partition("/")[2] for name in opened.getnames()} == set()
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as zipped:
        assert files - {name.removeprefix("zillions/") for name in zipped.namelist()} == set()


@pytest.mark.exhaustive
def test_a_server_anywhere_is_checked(programs: Path, tmp_path: Path) -> None:
    shutil.copy(CONFORMING, tmp_path / "server")
    for name in TAKEN:  # packages of the user, in the current folder
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    ended = run([programs / "harness", "check", "./server", "--spec", "broadcast", "--smoke"], tmp_path)
    assert ended.stdout.startswith("server       pass ")
    assert run([programs / "zillions", "--version"], tmp_path).stdout.startswith("harness, version ")
    assert "However TCP splits" in run([programs / "harness", "explain", "BC-FRAME-2"], tmp_path).stdout
    listed = json.loads(run([programs / "harness", "list", "--json"], tmp_path).stdout)
    assert {"asyncio", "go", "c_epoll", "rust_tokio"} <= {server["name"] for server in listed}
    for name in TAKEN:
        run([programs / "python", "-c", f"import importlib.util as u; assert u.find_spec('{name}') is None"], programs)


@pytest.mark.exhaustive
def test_the_servers_of_the_zoo_run_from_it(programs: Path, tmp_path: Path) -> None:
    ended = run([programs / "harness", "check", "asyncio", "executor", "--smoke", "-k", "ready_line"], tmp_path)
    assert "5 of 5" in ended.stdout or "6 of 6" in ended.stdout, ended.stdout


@pytest.mark.exhaustive
@pytest.mark.parametrize(("language", "spec"), [("Python", "groupchat"), ("C", "broadcast")])
def test_a_new_server_comes_into_the_current_folder(programs: Path, tmp_path: Path, language: str, spec: str) -> None:
    run([programs / "harness", "new", "mine", "--lang", language, "--spec", spec], tmp_path)
    assert (tmp_path / "mine" / "impl.toml").is_file()
    ended = run([programs / "harness", "check", "./mine", "--smoke"], tmp_path)
    assert ended.stdout.startswith("mine         pass ")


@pytest.mark.exhaustive
def test_a_suite_of_another_author_works_with_it(programs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(GUEST, tmp_path / "guest")  # setuptools leaves files beside its sources
    site = tmp_path / "site"
    run([programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, copy], tmp_path)
    ended = run([programs / "harness", "check", "liner", "--smoke"], tmp_path, PYTHONPATH=str(site))
    assert ended.stdout.startswith("liner        pass ")
