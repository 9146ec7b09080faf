"""`harness explain`: a requirement or a case, in words."""

from __future__ import annotations

import shutil
import textwrap

import click

from harness import plugins
from harness.errors import UsageError, nearest
from harness.model import Requirement, Spec
from harness.requirements import text as requirements
from harness.requirements.coverage import cases_of, page


@click.command("explain")
@click.argument("name", metavar="REQUIREMENT|CASE|SPEC")
def command(name: str) -> int:
    """Say what a requirement or a case is about: clause, reason, transcripts, likely bug.

    For the name of a spec, print the page of its clauses against its cases.
    """
    known: list[str] = []
    for spec in plugins.specs().values():
        clauses, cases = requirements.of(spec), cases_of(spec)
        known += [spec.name, *clauses, *(case.id for case in cases)]
        if name == spec.name:
            print(page(spec), end="")
            return 0
        if name.upper() in clauses:
            named = [case.id for case in cases if name.upper() in case.requirements]
            print(_requirement(spec, clauses[name.upper()], named))
            return 0
        for case in cases:
            if case.id == name.removeprefix("test_").partition("[")[0]:
                print(f"{case.id} (a case of {spec.name})\n\n{textwrap.indent(case.text, '  ')}\n")
                for one in case.requirements:
                    print(_requirement(spec, clauses[one], []))
                return 0
    raise UsageError(f'there is no requirement, case or spec "{name}"{nearest(name, known)}')


def _requirement(spec: Spec, one: Requirement, cases: list[str]) -> str:
    width = min(shutil.get_terminal_size().columns, 100)

    def item(name: str, text: str) -> str:
        return textwrap.fill(
            text, width, initial_indent=f"  {name:8}", subsequent_indent=" " * 10, break_on_hyphens=False
        )

    origin = "the original text" if one.origin == "original" else "this zoo's reading"
    parts = [
        f"{one.id} ({one.level}, {origin}, spec {spec.name})",
        textwrap.fill(one.text, width, initial_indent="  ", subsequent_indent="  "),
        "",
        item("why", one.why),
        item("right", one.right),
        item("wrong", one.wrong),
        item("bug", one.bug),
    ]
    if cases:
        parts.append(item("cases", ", ".join(cases)))
    return "\n".join(parts) + "\n"
