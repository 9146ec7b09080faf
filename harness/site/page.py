"""What the site consists of: pages made from templates, and files that are written as they are; and their names."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_SLUG = 60
PLAIN = re.compile(r"[a-z0-9][a-z0-9_]*(-[a-z0-9_]+)*")
HASHED = re.compile(r".*-[0-9a-f]{8}")


@dataclass(frozen=True)
class Passage:
    """A part of a page that the search finds.

    Attributes:
        anchor: the id of its heading; "" for the beginning of the page.
        title: its heading; "" for the beginning of the page.
        text: what stands below it.
    """

    anchor: str
    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        path: where it is in the folder of the site, with "/" between the parts.
        template: the name of its template, which extends `base.html`.
        title: its title, as plain text.
        context: the variables of the template.
        scripts: the scripts of `static/` that it loads, in this order; it must be readable without them.
        section: the path of the entry in the navigation that it belongs to; "" where that is its own path.
        passages: what the search finds beside its title.
    """

    path: str
    template: str
    title: str
    context: Mapping[str, Any] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    section: str = ""
    passages: Sequence[Passage] = ()


@dataclass(frozen=True)
class DataFile:
    """A file of the site that is no page.

    Attributes:
        path: where it is in the folder of the site, with "/" between the parts.
        data: its content; a text is written as UTF-8.
    """

    path: str
    data: str | bytes


def slug(name: str) -> str:
    """Return a name as the part of a file's name or of an anchor: the same for one name, different for two.

    A name that is not plain (lower case, digits, "_" and single "-") is cleaned, and gets a part of its digest.
    """
    if PLAIN.fullmatch(name) and len(name) <= LONGEST_SLUG and not HASHED.fullmatch(name):
        return name
    cleaned = re.sub(r"[^a-z0-9_]+", "-", name.lower())[: LONGEST_SLUG - 9].strip("-")
    return f"{cleaned or 'x'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def relative(target: str, page: str) -> str:
    """Return the link from a page to another path of the site.

    Args:
        target: the path, with "#" and an anchor where there is one.
        page: the path of the page that has the link.
    """
    path, mark, anchor = target.partition("#")
    if path in ("", page):
        return f"#{anchor}" if mark else posixpath.basename(page)
    return posixpath.relpath(path, posixpath.dirname(page) or ".") + mark + anchor


def script_json(data: object) -> str:
    """Return data as JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
