"""Reads the numbered requirements from the text of a spec, the only place where they are written.

A requirement is a level-3 heading `### ID (LEVEL, origin)`, a quotation with its text, and the items Why, Right, Wrong
and Bug. Everything else in the text is for people.
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
    """Return the requirements in a spec's text by id, in the order of the text.

    Raises:
        UsageError: a heading, level or section is malformed; the message has the file and the line.
    """
    requirements: dict[str, Requirement] = {}
    lines = text.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("### "):
            continue
        heading = HEADING.match(line)
        if heading is None or heading["level"] not in Level.__members__:
            raise UsageError(f"{text}, line {number}: not a requirement heading: {line}")
        if heading["id"] in requirements:
            raise UsageError(f"{text}, line {number}: {heading['id']} is defined twice")
        requirements[heading["id"]] = _section(text, number, heading, lines[number:])
    return requirements


def _section(text: Path, number: int, heading: re.Match[str], rest: list[str]) -> Requirement:
    sentence, items = "", {}
    for line in rest:
        if line.startswith("#"):
            break
        if line.startswith("> "):
            sentence = f"{sentence} {line[2:]}".strip()
        elif item := ITEM.match(line):
            items[item["key"].lower()] = item["text"]
    missing = [key for key in ("why", "right", "wrong", "bug") if key not in items]
    if not sentence or missing:
        raise UsageError(f"{text}, line {number}: {heading['id']} lacks its {', '.join(missing) or 'quoted text'}")
    return Requirement(
        id=heading["id"], level=Level(heading["level"]), origin=heading["origin"], text=sentence, **items
    )


def of(spec: Spec) -> dict[str, Requirement]:
    """Return a spec's requirements by id."""
    return read(spec.text)


def ids_of_shared_case(spec: Spec, names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of a shared case's requirements in a spec; () if the spec does not have all of them.

    Args:
        spec: the spec.
        names: ids without the spec's prefix, e.g. "ORDER-2".
    """
    ids = tuple(f"{spec.prefix}-{name}" for name in names)
    return ids if set(ids) <= of(spec).keys() else ()
