"""Optional packages: imported when they are installed, else one sentence with the line that installs them."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.extras import require
from tests.sample_runs import write_as_latest, zoo
from tests.zoo import CONFORMING, command


def test_an_installed_module_is_returned() -> None:
    assert require("json.decoder", "fuzz").__name__ == "json.decoder"


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(UsageError) as error:
        require("no_such_package.part", "fuzz")
    assert str(error.value) == (
        "this needs the package no_such_package, which is not installed: pip install 'zillions[fuzz]'"
    )


def test_a_package_that_is_installed_but_broken_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require("broken_package", "fuzz")


# --- each extra, as if it had not been installed

BLOCKER = """\
import sys

class Blocker:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker)
"""
RUN = ["--spec", "broadcast", "--smoke", "--profile", "smoke", "--workload", "idle", "--sandbox", "off"]
MODULES = {
    "chat": ("prompt_toolkit",),
    "plots": ("matplotlib", "plotext"),
    "site": ("jinja2",),  # the rest comes with rich
    "fuzz": ("hypothesis",),
    "watch": ("watchfiles",),
    "history": ("ruptures",),
    "cluster": ("distributed", "dask"),
    "servers": ("twisted", "uvloop", "trio", "curio", "gevent", "greenlet", "tornado"),
}


def without(extras: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the environment of a Python, and of all below it, that has none of the packages of these extras."""
    blocked = tuple(module for extra in extras for module in MODULES[extra])
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=blocked))
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "80"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a run."""
    write_as_latest(zoo(), tmp_path)
    return tmp_path


def run_without(extras: Sequence[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = without(extras, folder)
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("extra", "words", "package"),
    [
        ("fuzz", ["check", str(CONFORMING), "--smoke", "--fuzz", "1"], "hypothesis"),
        ("watch", ["check", str(CONFORMING), "--watch"], "watchfiles"),
        ("history", ["history", "asyncio"], "ruptures"),
        ("plots", ["report", "--plots"], "plotext"),
        ("plots", ["report", "--format", "plots"], "plotext"),
        ("plots", ["report", "--svg", "curves"], "matplotlib"),
        ("site", ["report", "--html", "pages"], "jinja2"),
        ("cluster", ["run", str(CONFORMING), "--sandbox", "off", "--cluster", "local:2"], "distributed"),
        ("cluster", ["bench", str(CONFORMING), "--cluster", "local:2"], "distributed"),
    ],
)
def test_a_command_without_its_extra_is_one_line_that_installs_it(
    extra: str, words: list[str], package: str, folder: Path
) -> None:
    ended = run_without([extra], folder, *words)
    needed = f"harness: this needs the package {package}, which is not installed: pip install 'zillions[{extra}]'\n"
    assert (ended.returncode, ended.stderr) == (2, needed)


def test_a_chat_on_a_terminal_without_its_extra_is_one_line_that_installs_it(folder: Path) -> None:
    ours, terminal = pty.openpty()
    ended = subprocess.run(
        command("chat", "127.0.0.1:1"),
        env=without(["chat"], folder),
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(terminal)
    os.close(ours)
    assert ended.returncode == 2
    assert ended.stderr.decode().endswith(
        "this needs the package prompt_toolkit, which is not installed: pip install 'zillions[chat]'\n"
    )


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["check", str(CONFORMING), "--smoke"], 0),
        (["report"], 0),
        (["list", "--json"], 0),
        (["doctor", "asyncio"], 0),
        (["chat", "127.0.0.1:1"], 3),  # through pipes: it gets as far as a server that is not there
        (["--help"], 0),
        (["run", "--help"], 0),
        (["bench", "--help"], 0),
        (["run", str(CONFORMING), "asyncio", *RUN], 0),
        (["selftest", "--help"], 0),
    ],
)
def test_all_other_commands_work_without_any_extra(words: list[str], status: int, folder: Path) -> None:
    ended = run_without(list(MODULES), folder, *words)
    assert ended.returncode == status, ended.stderr
    assert "zillions[" not in ended.stderr


def test_a_server_whose_package_is_missing_is_skipped_with_the_line_that_installs_it(folder: Path) -> None:
    ended = run_without(["servers"], folder, "check", "trio", str(CONFORMING), "--spec", "broadcast", "--smoke")
    assert ended.returncode == 0, ended.stderr
    assert "Python package trio is not installed: pip install trio" in ended.stdout
