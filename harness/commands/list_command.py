"""`harness list`: every server, and whether it can run here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
import msgspec

from harness.commands import completion, options
from harness.commands.standard_streams import print_data
from harness.commands.tables import HEADER_PADDING, fitted, left_over, widest
from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.plugins import implementations, specs
from harness.records import to_json, to_pretty_json
from harness.zoo import cache
from harness.zoo.discover import missing_needs, specs_named, why_unavailable
from harness.zoo.toolchains import answers, interpreters, needs
from harness.zoo.touched import Touch, touched_since

HEADERS = ["server", "language", "style", "class", "runs"]
WIDE = 110  # columns from which on the reason stands beside "no"; else it is in a line of its own
REASON = 34  # columns for that reason
MIN_STYLE = 10  # columns for the style in a narrow terminal


@click.command(
    "list",
    epilog=options.examples(
        "harness list --available",
        "harness list --spec channels --language python",
        "harness list --style 'green threads' --json",
        "harness list --changed-since main",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.option("--spec", metavar="NAME", shell_complete=completion.specs, help="List only servers of this spec.")
@click.option(
    "--language",
    metavar="NAME",
    shell_complete=completion.languages,
    help="List only servers in this language, in upper or lower case.",
)
@click.option(
    "--style", metavar="TEXT", shell_complete=completion.styles, help="List only servers with this text in their style."
)
@click.option(
    "--category",
    "--class",
    "category",
    metavar="NAME",
    help="List only servers of this class: idiomatic, tuned or engine.",
)
@click.option("--available", is_flag=True, help="List only servers that can run here.")
@click.option(
    "--changed-since",
    "revision",
    metavar="REVISION",
    help="List only servers whose source or spec differs from a git revision; `changed` in JSON says which.",
)
@options.python
def command(
    as_json: bool,
    spec: str | None,
    language: str | None,
    style: str | None,
    category: str | None,
    available: bool,
    revision: str | None,
    pythons: tuple[str, ...],
) -> int:
    """List all servers, and whether they can run here.

    A server can run here if its toolchain is installed: `harness doctor` shows versions, and what installs the rest.

    Exit status: 0, or 2 for wrong usage.
    """
    if spec is not None:  # without it no spec is imported
        specs_named(spec)
    listed = [server for server in implementations() if spec in (None, server.spec)]
    _check_name("language", language, {server.language for server in listed})
    _check_name("class", category, {server.category for server in listed})
    touched: dict[tuple[str, str], Touch] = {}
    if revision is not None:
        touched = touched_since(revision, implementations(), specs(), Path.cwd())
        listed = [server for server in listed if (server.spec, server.name) in touched]
    listed = interpreters.add_variants(
        [server for server in listed if _matches(server, language, style, category)], pythons
    )
    with answers.remembered(_cache()):
        known = {status.need: status for status in needs.survey(listed, versions=as_json)}
        if available:
            listed = [server for server in listed if not why_unavailable(server)]
        if as_json:
            records = [
                _record(server, [known[need] for need in needs.parse(server)])
                | ({"changed": touched.get((server.spec, server.name))} if revision is not None else {})
                for server in listed
            ]
            print_data(to_pretty_json(records).decode() + "\n")
        else:
            print(_tables(listed, shutil.get_terminal_size().columns))
    return 0


def _cache() -> Path | None:
    try:
        return cache.folder()
    except cache.NoCache:
        return None


def _check_name(what: str, name: str | None, known: set[str]) -> None:
    if name is not None and name.lower() not in {each.lower() for each in known}:
        hint = nearest(name, known) or f"; known: {', '.join(sorted(known))}"
        raise UsageError(f'no server is of the {what} "{name}"{hint}')


def _matches(server: Implementation, language: str | None, style: str | None, category: str | None) -> bool:
    return (
        (language is None or server.language.lower() == language.lower())
        and (style is None or style.lower() in server.style.lower())
        and (category is None or server.category.lower() == category.lower())
    )


def _tables(servers: Sequence[Implementation], width: int) -> str:
    """Return a table for each spec, no wider than the terminal."""
    if not servers:
        return "no server matches"
    parts = []
    for spec, group in groupby(servers, key=lambda server: server.spec):
        of_spec = list(group)
        reasons = [_lacking(server) for server in of_spec]
        rows = [_row(server, reason, width) for server, reason in zip(of_spec, reasons, strict=True)]
        count = f"{len(of_spec)} server{'' if len(of_spec) == 1 else 's'}"
        parts.append(f"{spec}: {count}, {reasons.count('')} can run here\n")
        parts.append(f"{fitted(HEADERS, rows, _limits(rows, width))}\n")
    if any(map(_lacking, servers)):
        parts.append("`harness doctor` shows what to install for the others.")
    return "\n".join(parts).rstrip()


def _row(server: Implementation, lacking: str, width: int) -> list[str]:
    style, state = server.style, "no" if lacking else "yes"
    if lacking and width >= WIDE:
        state = f"no: lacks {lacking}"
    elif lacking:
        style = f"{style}\n(lacks {lacking})"
    return [server.name, server.language, style, server.category, state]


def _limits(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the largest width of each column; the style takes what the others leave."""
    name, language, _, category, last = widest(HEADERS, rows)
    last = min(last, REASON if width >= WIDE else len(HEADERS[-1]) + HEADER_PADDING)
    return [name, language, max(left_over(width, [name, language, category, last]), MIN_STYLE), category, last]


def _lacking(server: Implementation) -> str:
    """Return the names of what this machine lacks for a server, with commas between; "" if nothing."""
    return ", ".join(need.label for need in missing_needs(server))


def _record(server: Implementation, statuses: Sequence[needs.NeedStatus]) -> dict[str, object]:
    reason = why_unavailable(server)
    record: dict[str, object] = msgspec.json.decode(to_json(server))
    toolchain = [
        {
            "need": text,
            "what": status.need.tool.what,
            "available": not status.why_missing,
            "version": status.version,
            "missing": status.why_missing,
            "install": status.need.install_command,
        }
        for text, status in zip(server.needs, statuses, strict=True)
    ]
    return {**record, "available": not reason, "missing": reason, "toolchain": toolchain}
