"""The command line starts fast: a command imports what it needs, and a hook only the plugins of its room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import plugins
from harness.errors import UsageError

ROOMS = ("harness.", "spec.", "impls.")
HEAVY = ("numpy", "anyio", "pytest", "rich", "psutil", "matplotlib", "prompt_toolkit", "hypothesis")


def modules_after(code: str) -> set[str]:
    """Return the modules that a Python has imported after some code."""
    shown = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(ended.stderr.split())


def command(*words: str) -> str:
    """Return code that runs a command."""
    return f"""
from harness.commands.main import harness
try:
    harness.main({list(words)}, standalone_mode=False)
except SystemExit:
    pass"""


def test_help_and_version_import_no_command_and_no_plugin() -> None:
    for words in (["--help"], ["--version"]):
        imported = modules_after(command(*words))
        ours = {name for name in imported if name.startswith(ROOMS)}
        assert ours == {
            "harness.commands",
            "harness.commands.main",
            "harness.commands.standard_streams",
            "harness.errors",
            "harness.escapes",
            "harness.processes",
            "harness.processes.signals",
        }
        assert imported.isdisjoint({*HEAVY, "msgspec", "pluggy"})


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["explain", "BC-FRAME-2"]])
def test_list_and_explain_import_nothing_heavy(words: list[str]) -> None:
    imported = modules_after(command(*words))
    assert imported.isdisjoint(HEAVY)
    assert not {name for name in imported if name.startswith(("harness.load", "harness.conformance", "harness.report"))}


def test_without_a_cluster_nothing_of_dask_is_imported() -> None:
    ours = "commands.run_command commands.bench_command commands.live league.block league.trial load.slices"
    imported = modules_after("\n".join(f"import harness.{name}" for name in [*ours.split(), "load.__main__"]))
    assert "harness.load.remote" in imported
    assert not {name for name in imported if name.partition(".")[0] in ("distributed", "dask")}


@pytest.mark.parametrize(
    ("asked", "imported", "not_imported"),
    [
        ("implementations", "impls.asyncio_impl", ("spec.", "harness.load.", "harness.report.")),
        ("specs", "spec.broadcast", ("impls.", "harness.load.", "harness.report.")),
        ("workloads", "harness.load.workloads.flood", ("impls.", "spec.", "harness.report.")),
        ("reporters", "harness.report.formats.terminal", ("impls.", "spec.", "harness.load.workloads.")),
    ],
)
def test_a_hook_imports_only_the_plugins_of_its_room(asked: str, imported: str, not_imported: tuple[str, ...]) -> None:
    modules = modules_after(f"from harness import plugins\nassert plugins.{asked}()")
    assert imported in modules
    assert not {name for name in modules if name.startswith(not_imported)}


def run_with_plugin(tmp_path: Path, code: str, asked: str) -> str:
    """Ask for something of which the room has one more module; return the error."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").touch()
    (tmp_path / "room" / "added.py").write_text(f"from harness.plugins import hookimpl\n{code}")
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from harness import plugins; plugins.ROOMS['harness_specs'] = ('room',); plugins.{asked}()",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    return ended.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "@hookimpl\ndef harness_reporters(): return []",
            "plugin room.added implements harness_reporters: move that function into a module in harness/report/form",
        ),
        ("@hookimpl\ndef harness_spec(): return []", "unknown hook 'harness_spec' in plugin"),
        ("1 / 0", "plugin room.added cannot be loaded: ZeroDivisionError: division by zero ("),
        ("@hookimpl\ndef harness_specs(): 1 / 0", "a plugin's harness_specs cannot be loaded: ZeroDivisionError"),
    ],
)
def test_a_wrong_plugin_is_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    assert sentence in run_with_plugin(tmp_path, code, "specs")


def test_two_plugins_of_one_name_are_an_error() -> None:
    class Twice:
        @plugins.hookimpl
        def harness_reporters(self) -> list[plugins.Reporter]:
            return [plugins.Reporter(name="terminal", summary="again", render=lambda run, width: "")]

    plugin = Twice()
    plugins.manager().register(plugin)
    try:
        with pytest.raises(UsageError, match='two plugins add a reporter called "terminal"'):
            plugins.reporters()
    finally:
        plugins.manager().unregister(plugin)
