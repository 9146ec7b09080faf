"""Reads the numbered requirements out of a spec's text, which is their only home.

A requirement is a level-3 heading `### ID (LEVEL, origin)`, a quoted clause, and the items Why, Right,
Wrong and Bug. Everything else in the text is for people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.errors import UsageError
from harness.model import Level, Requirement, Spec

HEADING = re.compile(r"^### (?P<id>[A-Z]+-[A-Z]+-\d+) \((?P<level>[A-Z]+), (?P<origin>\w+)\)$")
ITEM = re.compile(r"^- (?P<key>Why|Right|Wrong|Bug): (?P<text>.+)$")


@cache
def read(text: Path) -> dict[str, Requirement]:
    """Return the requirements of a spec's text by id, in its order.

    Raises:
        UsageError: a heading, level or section is malformed, with file and line.
    """
    found: dict[str, Requirement] = {}
    lines = text.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("### "):
            continue
        heading = HEADING.match(line)
        if heading is None or heading["level"] not in Level.__members__:
            raise UsageError(f"{text}, line {number}: not a requirement heading: {line}")
        if heading["id"] in found:
            raise UsageError(f"{text}, line {number}: {heading['id']} stands twice")
        found[heading["id"]] = _section(text, number, heading, lines[number:])
    return found


def _section(text: Path, number: int, heading: re.Match[str], rest: list[str]) -> Requirement:
    clause, items = "", {}
    for line in rest:
        if line.startswith("#"):
            break
        if line.startswith("> "):
            clause = f"{clause} {line[2:]}".strip()
        elif item := ITEM.match(line):
            items[item["key"].lower()] = item["text"]
    missing = [key for key in ("why", "right", "wrong", "bug") if key not in items]
    if not clause or missing:
        raise UsageError(f"{text}, line {number}: {heading['id']} lacks its {', '.join(missing) or 'clause'}")
    return Requirement(id=heading["id"], level=Level(heading["level"]), origin=heading["origin"], text=clause, **items)


def of(spec: Spec) -> dict[str, Requirement]:
    """Return a spec's requirements by id."""
    return read(spec.text)


def of_shared_case(spec: Spec, names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids that the requirements of a shared case have in a spec; () when it lacks one of them.

    Args:
        names: ids without their prefix, e.g. "ORDER-2".
    """
    ids = tuple(f"{spec.prefix}-{name}" for name in names)
    return ids if set(ids) <= of(spec).keys() else ()
