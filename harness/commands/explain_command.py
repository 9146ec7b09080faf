"""`harness explain`: a requirement or a case, in words."""

from __future__ import annotations

import shutil
import textwrap

import click

from harness import plugins
from harness.commands import completion, options
from harness.errors import UsageError, nearest
from harness.model import Requirement, Spec
from harness.requirements import text as requirements
from harness.requirements.coverage import cases_of, coverage_page


@click.command(
    "explain",
    epilog=options.examples(
        "harness explain BC-FRAME-2", "harness explain a_header_may_come_alone", "harness explain channels"
    ),
)
@click.argument("name", metavar="REQUIREMENT|CASE|SPEC", shell_complete=completion.requirements)
@click.option("--markdown", is_flag=True, help="Print a SPEC as a page in Markdown.")
def command(name: str, markdown: bool) -> int:
    """Explain a requirement or a case.

    Prints the text of the requirement, its reason, a right and a wrong transcript, the likely bug, and the cases that
    check it. For a spec, prints all its requirements and their cases.

    Exit status: 0, or 2 if there is nothing of that name.
    """
    specs = plugins.specs()
    if name in specs:
        print(coverage_page(specs[name]) if markdown else _overview(specs[name]), end="")
        return 0
    identifier = name.upper()
    for spec in specs.values():
        if requirement := requirements.of(spec).get(identifier):
            cases = [case.id for case in cases_of(spec) if identifier in case.requirements]
            print(_explanation(spec, requirement, cases))
            return 0
    known = [*specs, *(identifier for spec in specs.values() for identifier in requirements.of(spec))]
    for spec in specs.values():
        for case in cases_of(spec):
            known.append(case.id)
            if case.id == name.removeprefix("test_").partition("[")[0]:
                print(f"{case.id} (a case of {spec.name})\n\n{_paragraphs(case.text)}\n")
                for identifier in case.requirements:
                    print(_explanation(spec, requirements.of(spec)[identifier], []))
                return 0
    raise UsageError(f'there is no requirement, case or spec "{name}"{nearest(name, known)}')


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _paragraphs(text: str) -> str:
    return "\n\n".join(
        textwrap.fill(paragraph, _width(), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        for paragraph in text.split("\n\n")
    )


def _overview(spec: Spec) -> str:
    """Return the requirements of a spec, each with its text and the cases that check it."""
    cases, parts = cases_of(spec), []
    for requirement in requirements.of(spec).values():
        covering = [case.id for case in cases if requirement.id in case.requirements]
        lines = (requirement.text, f"cases: {', '.join(covering) or 'none'}")
        parts.append("\n".join([f"{requirement.id} ({requirement.level})", *map(_paragraphs, lines)]))
    return "\n\n".join(parts) + "\n"


def _explanation(spec: Spec, requirement: Requirement, cases: list[str]) -> str:
    width = _width()

    def item(label: str, text: str) -> str:
        return textwrap.fill(
            text, width, initial_indent=f"  {label:8}", subsequent_indent=" " * 10, break_on_hyphens=False
        )

    origin = "the original text" if requirement.origin == "original" else "this zoo's reading"
    parts = [
        f"{requirement.id} ({requirement.level}, {origin}, spec {spec.name})",
        textwrap.fill(requirement.text, width, initial_indent="  ", subsequent_indent="  "),
        "",
        item("why", requirement.why),
        item("right", requirement.right),
        item("wrong", requirement.wrong),
        item("bug", requirement.bug),
    ]
    if cases:
        parts.append(item("cases", ", ".join(cases)))
    return "\n".join(parts) + "\n"
