"""`harness list`: every server, what it needs, and whether it can run here."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import click
import msgspec
from tabulate import tabulate

from harness.commands import options
from harness.model import Implementation
from harness.plugins import implementations
from harness.records import to_json
from harness.zoo.discover import specs_named, why_not_here
from harness.zoo.toolchains import interpreters, needs

HEADERS = ["server", "spec", "language", "style", "class", "toolchain", "can run here"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.option("--spec", metavar="NAME", help="Only servers of this spec.")
@options.python
def command(as_json: bool, spec: str | None, pythons: tuple[str, ...]) -> int:
    """List every server: spec, language, style, class, its toolchain, and whether it can run here."""
    names = {one.name for one in specs_named(spec)}
    found = interpreters.under([one for one in implementations() if one.spec in names], pythons)
    known = {one.need: one for one in needs.survey(found)}
    if as_json:
        records = [_record(one, [known[need] for need in needs.of(one)]) for one in found]
        print(msgspec.json.format(msgspec.json.encode(records)).decode())
        return 0
    rows = [
        [
            *(one.name, one.spec, one.language, one.style, one.category),
            _toolchain(one, [known[need] for need in needs.of(one)]),
            why_not_here(one) or "yes",
        ]
        for one in found
    ]
    print(tabulate(rows, headers=HEADERS, tablefmt="simple", disable_numparse=True))
    return 0


def _toolchain(one: Implementation, found: Sequence[needs.Found]) -> str:
    """Return what runs a server and what it needs, each with its version where it is here."""
    named = [f"{each.need.name} {each.version}".rstrip() for each in found if each.need.name]
    if not one.run and not one.python:
        named.insert(0, f"{platform.python_implementation()} {platform.python_version()}")
    return ", ".join(named)


def _record(one: Implementation, found: Sequence[needs.Found]) -> dict[str, object]:
    reason = why_not_here(one)
    record: dict[str, object] = msgspec.json.decode(to_json(one))
    toolchain = [
        {
            "need": text,
            "what": each.need.tool.what,
            "available": not each.lacking,
            "version": each.version,
            "missing": each.lacking,
            "install": each.need.remedy,
        }
        for text, each in zip(one.needs, found, strict=True)
    ]
    return {**record, "available": not reason, "missing": reason, "toolchain": toolchain}
