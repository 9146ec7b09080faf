"""`harness list`: every server, and whether it can run here."""

from __future__ import annotations

import click
import msgspec
from tabulate import tabulate

from harness.discover import specs_named, why_not_here
from harness.plugins import implementations
from harness.records import to_json


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.option("--spec", metavar="NAME", help="Only servers of this spec.")
def command(as_json: bool, spec: str | None) -> int:
    """List every server: spec, language, style, class, and whether it can run here."""
    names = {one.name for one in specs_named(spec)}
    found = [one for one in implementations() if one.spec in names]
    if as_json:
        records = [
            {
                **msgspec.json.decode(to_json(one)),
                "available": not (reason := why_not_here(one)),
                "missing": reason,
            }
            for one in found
        ]
        print(msgspec.json.format(msgspec.json.encode(records)).decode())
        return 0
    rows = [[one.name, one.spec, one.language, one.style, one.klass, why_not_here(one) or "yes"] for one in found]
    print(tabulate(rows, headers=["server", "spec", "language", "style", "class", "can run here"], tablefmt="simple"))
    return 0
