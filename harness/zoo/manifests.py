"""Reads `impls/*/impl.toml`: how servers that are not Python declare themselves.

The manifests come in through the same hook as everything else; this module is the plugin that reads them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import msgspec

from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.plugins import hookimpl
from harness.records import convert
from harness.zoo.toolchains import needs

FILE = "impl.toml"
ENTRY = "implementation"
FIELDS = [field.encode_name for field in msgspec.structs.fields(Implementation) if field.name != "python"]
CLASSES = ("idiomatic", "tuned", "engine")


def read(path: Path) -> list[Implementation]:
    """Return the implementations that the manifest at `path` declares.

    It has the fields of one; or several tables `[[implementation]]`, and before them what all have in common.

    Raises:
        UsageError: the manifest cannot be read or says something that cannot be meant; the message has
            the file, the line and, for an unknown key, the nearest known one.
    """
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{_place(path, error)}: not TOML: {error}") from None
    common = {key: value for key, value in data.items() if key != ENTRY}
    entries = data.get(ENTRY, [{}])
    if not (isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)):
        raise UsageError(f"{path}, line {_Lines(text).of(ENTRY)}: several servers are written [[{ENTRY}]], each")
    _refuse_unknown(path, common, _Lines(text), [*FIELDS, ENTRY])
    found = []
    for number, entry in enumerate(entries):
        lines = _Lines(text, number)
        _refuse_unknown(path, entry, lines, FIELDS)
        found.append(_implementation(path, common | entry, lines))
    return found


class _Lines:
    """Knows on which line a key of one entry is set: among its own, or among those that all have in common."""

    def __init__(self, text: str, entry: int = 0) -> None:
        starts = [0]
        lines = list(enumerate(text.splitlines(), 1))
        starts += [number - 1 for number, line in lines if re.match(rf"\s*\[\[\s*{ENTRY}\s*\]\]", line)]
        parts = [lines[begin:end] for begin, end in pairwise([*starts, len(lines)])]
        self._own, self._common = parts[min(entry + 1, len(parts) - 1)], parts[0]

    def of(self, key: str) -> int:
        """Return the number of the line that sets `key`; where there is none, of the entry's first."""
        for number, line in [*self._own, *self._common]:
            if re.match(rf'\s*(\[+\s*(?:{ENTRY}\s*\.\s*)?{re.escape(key)}\s*[.\]]|"?{re.escape(key)}"?\s*=)', line):
                return number
        return self._own[0][0] if self._own else 1


def _refuse_unknown(path: Path, data: dict[str, object], lines: _Lines, known: Sequence[str]) -> None:
    for key in data:
        if key not in known:
            raise UsageError(f'{path}, line {lines.of(key)}: unknown key "{key}"{nearest(key, known)}')


def _implementation(path: Path, data: dict[str, object], lines: _Lines) -> Implementation:
    for key in ("name", "spec", "run"):
        if not data.get(key):
            raise UsageError(f'{path}, line {lines.of(key)}: the key "{key}" is missing, or empty')
    try:
        found = convert(data, Implementation)
    except msgspec.ValidationError as error:
        key = match[1] if (match := re.search(r"\$\.(\w+)", str(error))) else ""
        raise UsageError(f"{path}, line {lines.of(key)}: {error}") from None
    if found.category not in CLASSES:
        raise UsageError(f'{path}, line {lines.of("class")}: class "{found.category}" is none of {", ".join(CLASSES)}')
    try:
        needs.of(found)
    except UsageError as error:
        raise UsageError(f"{path}, line {lines.of('needs')}: {error}") from None
    folder = path.parent.resolve()
    for key, names in (("source", [found.source] if found.source else []), ("files", found.files)):
        for name in names:
            if not (folder / name).exists():
                raise UsageError(f"{path}, line {lines.of(key)}: there is no file {folder / name}")
    return msgspec.structs.replace(found, source=folder / found.source) if found.source else found


def _place(path: Path, error: tomllib.TOMLDecodeError) -> str:
    match = re.search(r"at line (\d+)", str(error))
    return f"{path}, line {match[1]}" if match else str(path)


@hookimpl
def harness_implementations() -> list[Implementation]:
    """Return the servers declared in the manifests of the `impls` package's folders."""
    import impls

    manifests = (path for root in impls.__path__ for path in sorted(Path(root).glob(f"*/{FILE}")))
    return list(chain.from_iterable(map(read, manifests)))
