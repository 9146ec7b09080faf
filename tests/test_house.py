"""The rules of the house: which way data goes, what nobody names, and that plugins are all alike."""

from __future__ import annotations

import ast
import dataclasses
import io
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

import harness
from harness import plugins
from harness.kinds import Reporter, Workload
from harness.model import Implementation, Spec

HARNESS = Path(harness.__file__).parent
ROOT = HARNESS.parent
# From the first room to the last: nobody imports a later one.
ROOMS = ["zoo", "servers", "history", "load", "conformance", "league", "report", "diff", "chat", "commands"]


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room_of(file: Path) -> int:
    """Return the place of a module's room; -1 for those that stand before all rooms."""
    first = file.relative_to(HARNESS).parts[0]
    return ROOMS.index(first) if first in ROOMS else -1


@pytest.mark.parametrize("file", modules(HARNESS), ids=lambda file: str(file.relative_to(HARNESS)))
def test_nothing_imports_a_later_room(file: Path) -> None:
    later = [f"harness.{room}" for room in ROOMS[room_of(file) + 1 :]]
    if room_of(file) < 0:
        later.remove("harness.history")  # a client writes it
    wrong = [name for name in imported(file) if any(name == one or name.startswith(f"{one}.") for one in later)]
    assert wrong == []


@pytest.mark.parametrize("file", modules(ROOT / "impls"), ids=lambda file: "/".join(file.parts[-2:]))
def test_a_server_knows_nothing_of_the_harness_but_the_hook(file: Path) -> None:
    known = {name for name in imported(file) if name.startswith(("harness", "impls"))}
    assert known <= {f"harness.plugins.{name}" for name in ("Implementation", "Tool", "hookimpl")}


@pytest.mark.parametrize("file", modules(ROOT / "spec"), ids=lambda file: "/".join(file.parts[-2:]))
def test_a_spec_knows_the_hook_and_what_a_case_needs(file: Path) -> None:
    known = {name.rpartition(".")[0] for name in imported(file) if name.startswith("harness")}
    assert known <= {"harness.plugins", "harness.conformance.api", "harness.codec", "harness.escapes", "harness.model"}


@pytest.mark.parametrize("file", modules(HARNESS), ids=lambda file: str(file.relative_to(HARNESS)))
def test_the_harness_names_no_server_and_no_spec(file: Path) -> None:
    names = {one.name for one in plugins.implementations()} | set(plugins.specs())
    others = {"asyncio", "anyio", "twisted", "threads", "go", "node"}  # libraries and commands that are called the same
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    strings = {token.string.strip("\"'") for token in tokens if token.type == tokenize.STRING}
    assert strings & (names - others) == set()


@pytest.mark.parametrize("file", [*modules(HARNESS), *modules(ROOT / "spec"), *modules(ROOT / "impls")], ids=str)
def test_a_file_is_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 340


class Guest:
    """A plugin as somebody else's package would have it."""

    @plugins.hookimpl
    def harness_implementations(self) -> list[Implementation]:
        return [Implementation(name="guest", spec="whisper", run=("guest",))]

    def __init__(self, like: Spec) -> None:
        self.spec = dataclasses.replace(like, name="whisper", default=False)

    @plugins.hookimpl
    def harness_specs(self) -> list[Spec]:
        return [self.spec]

    @plugins.hookimpl
    def harness_workloads(self) -> list[Workload]:
        class Nothing:
            name, summary = "nothing", "does nothing"
            profiles: Mapping[str, dict[str, float]] = MappingProxyType({"quick": {}})
            tells: tuple[str, ...] = ()

            def suits(self, codec: object) -> bool:
                return True

            def run(self, swarm: object, parameters: object) -> None:
                """Do nothing."""

        return [Nothing()]

    @plugins.hookimpl
    def harness_reporters(self) -> list[Reporter]:
        return [Reporter(name="shout", summary="loud", render=lambda run, width: run.info.id.upper())]


def test_a_plugin_adds_servers_specs_workloads_and_reporters() -> None:
    guest = Guest(like=plugins.specs()["broadcast"])
    plugins.manager().register(guest)
    try:
        assert "guest" in {one.name for one in plugins.implementations()}
        assert set(plugins.specs()) >= {"broadcast", "whisper"}
        assert set(plugins.workloads()) >= {"flood", "idle", "nothing", "paced"}
        assert "shout" in plugins.reporters()
    finally:
        plugins.manager().unregister(guest)
    assert "guest" not in {one.name for one in plugins.implementations()}
