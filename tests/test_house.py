"""Rules of the code base that no tool checks: what `lint-imports`, ruff and mypy check stands in pyproject.toml."""

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
MAX_LINES = 340
# From so many parameters on, a public function has a section "Args:".
DOCUMENTED_FROM = 3


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def public_functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the public functions of a module and the public methods of its public classes."""
    tree = ast.parse(file.read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    scopes: list[ast.Module | ast.ClassDef] = [tree, *classes]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    every = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return {argument.arg for argument in every} - {"self", "cls"}


@pytest.mark.parametrize("file", modules(HARNESS), ids=lambda file: str(file.relative_to(HARNESS)))
def test_the_harness_names_no_server_and_no_spec(file: Path) -> None:
    names = {implementation.name for implementation in plugins.implementations()} | set(plugins.specs())
    others = {"asyncio", "anyio", "twisted", "threads", "go", "node", "generators"}  # libraries, commands, a style
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    strings = {token.string.strip("\"'") for token in tokens if token.type == tokenize.STRING}
    assert strings & (names - others) == set()


@pytest.mark.parametrize("file", [*modules(HARNESS), *modules(ROOT / "spec"), *modules(ROOT / "impls")], ids=str)
def test_a_file_is_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    "file",
    [file for file in [*modules(HARNESS), *modules(ROOT / "spec")] if not file.name.startswith("test_")],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_many_parameters_are_documented_each(file: Path) -> None:
    """Ruff's D417 wants a complete `Args:` section where there is one; this wants one where there are many."""
    lacking = [
        function.name
        for function in public_functions(file)
        if len(parameters(function)) >= DOCUMENTED_FROM
        and not {"command", "hookimpl", "overload"} & decorators(function)
        and "Args:" not in (ast.get_docstring(function) or "")
    ]
    assert lacking == []


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names of a function's decorators; a click command documents its parameters in its help texts."""
    return {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
        if isinstance(node, ast.Attribute | ast.Name)
    }


def test_no_two_rooms_have_a_class_of_one_name() -> None:
    """Two classes of one name are two ideas under one word; within a package a private helper may repeat."""
    rooms: dict[str, set[str]] = {}
    for file in modules(HARNESS):
        room = ".".join(file.relative_to(HARNESS).parts[:-1])
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                rooms.setdefault(node.name, set()).add(room)
    assert {name: found for name, found in rooms.items() if len(found) > 1} == {}


class ThirdParty:
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
        class Nothing(Workload):
            name, summary = "nothing", "does nothing"
            profiles: Mapping[str, dict[str, float]] = MappingProxyType({"quick": {}})
            figures = ()

            def run(self, swarm: object, parameters: object) -> None:
                """Do nothing."""

        return [Nothing()]

    @plugins.hookimpl
    def harness_reporters(self) -> list[Reporter]:
        return [Reporter(name="shout", summary="loud", render=lambda run, width: run.info.id.upper())]


def test_a_plugin_adds_servers_specs_workloads_and_reporters() -> None:
    plugin = ThirdParty(like=plugins.specs()["broadcast"])
    plugins.manager().register(plugin)
    try:
        assert "guest" in {implementation.name for implementation in plugins.implementations()}
        assert set(plugins.specs()) >= {"broadcast", "whisper"}
        assert set(plugins.workloads()) >= {"flood", "idle", "nothing", "paced"}
        assert "shout" in plugins.reporters()
    finally:
        plugins.manager().unregister(plugin)
    assert "guest" not in {implementation.name for implementation in plugins.implementations()}
