"""The cases of a spec as its files have them, and the page of its clauses against its cases.

Read from the source, not by importing it: explaining a case needs neither pytest nor a server.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from pathlib import Path

from harness.model import Spec
from harness.requirements import text as requirements


@dataclass(frozen=True)
class WrittenCase:
    """A case as it stands in its file.

    Attributes:
        id: its name without "test_"; parametrised cases share one.
        requirements: their ids; those of a shared case are found in the spec that takes it.
        text: its docstring.
    """

    id: str
    number: int
    requirements: tuple[str, ...]
    text: str
    file: Path


def cases_of(spec: Spec) -> list[WrittenCase]:
    """Return the cases of a spec, its own and then those it shares, by file and in their order."""
    own = [case for file in sorted(spec.cases.glob("test_*.py")) for case in _cases_in(file)]
    shared = [case for folder in spec.shares for file in sorted(folder.glob("test_*.py")) for case in _cases_in(file)]
    replaced = {case.id for case in own}
    found = [replace(case, requirements=requirements.of_shared_case(spec, case.requirements)) for case in shared]
    return [*own, *(case for case in found if case.requirements and case.id not in replaced)]


def _cases_in(file: Path) -> list[WrittenCase]:
    found = []
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            number, *ids = _marker(node) or [0]
            found.append(
                WrittenCase(
                    id=node.name.removeprefix("test_"),
                    number=int(number),
                    requirements=tuple(map(str, ids)),
                    text=ast.get_docstring(node) or "",
                    file=file,
                )
            )
    return found


def _marker(node: ast.AsyncFunctionDef) -> list[str | int]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.case":
            return [ast.literal_eval(argument) for argument in mark.args]
    return []


def page(spec: Spec) -> str:
    """Return the page of clauses against cases, in Markdown."""
    cases = sorted(cases_of(spec), key=lambda case: case.number)
    lines = [
        f"# {spec.name}: clauses against cases",
        "",
        "Made by `make clauses`; a clause without a case fails the tests. The numbers are those of the list of",
        "behaviours that the cases descend from.",
        "",
        "| clause | level | origin | cases |",
        "|---|---|---|---|",
    ]
    for one in requirements.of(spec).values():
        named = ", ".join(f"{case.id} ({case.number})" for case in cases if one.id in case.requirements)
        lines.append(f"| [{one.id}](README.md) {one.text} | {one.level} | {one.origin} | {named or '**none**'} |")
    return "\n".join(lines) + "\n"
