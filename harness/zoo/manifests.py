"""Reads the manifests `impls/*/impl.toml`, which declare the servers that are not in Python.

This module is a plugin: the servers of the manifests are registered through the same hook as all others.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import msgspec

from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.plugins import IMPLS, hookimpl
from harness.records import convert, to_json
from harness.styles import unknown_word
from harness.zoo.toolchains import needs

FILE = "impl.toml"
ENTRY = "implementation"
LONGEST_NAME = 100  # characters; the longest name of a file has 255 bytes, with a digest
FIELDS = [field.encode_name for field in msgspec.structs.fields(Implementation) if field.name != "python"]


def read(path: Path) -> list[Implementation]:
    """Return the implementations that the manifest at `path` declares.

    A manifest has the fields of one implementation, or several tables `[[implementation]]` after the fields that
    they share.

    Raises:
        UsageError: the manifest cannot be read or is invalid; the message has the file, the line and, for an
            unknown key, the nearest known key.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe could wait for its writer
            raise UsageError(f"{path} is no file")
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{_place(path, error)}: not TOML: {error}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a table nested as deeply
        raise UsageError(f"{path}: not TOML: {error}") from None
    common = {key: value for key, value in data.items() if key != ENTRY}
    entries = data.get(ENTRY, [{}])
    if not (isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)):
        raise UsageError(f"{path}, line {_LineFinder(text).line_of(ENTRY)}: each server must be a table [[{ENTRY}]]")
    _refuse_unknown_keys(path, common, _LineFinder(text), [*FIELDS, ENTRY])
    implementations = []
    for number, entry in enumerate(entries):
        lines = _LineFinder(text, number)
        _refuse_unknown_keys(path, entry, lines, FIELDS)
        implementations.append(_implementation(path, common | entry, lines))
    return implementations


class _LineFinder:
    """Finds the line that sets a key of an entry: in the entry's own table, or among the shared fields."""

    def __init__(self, text: str, entry: int = 0) -> None:
        starts = [0]
        lines = list(enumerate(text.splitlines(), 1))
        starts += [number - 1 for number, line in lines if re.match(rf"\s*\[\[\s*{ENTRY}\s*\]\]", line)]
        parts = [lines[begin:end] for begin, end in pairwise([*starts, len(lines)])]
        self._own, self._common = parts[min(entry + 1, len(parts) - 1)], parts[0]

    def line_of(self, key: str) -> int:
        """Return the number of the line that sets `key`, or else of the entry's first line."""
        for number, line in [*self._own, *self._common]:
            if re.match(rf'\s*(\[+\s*(?:{ENTRY}\s*\.\s*)?{re.escape(key)}\s*[.\]]|"?{re.escape(key)}"?\s*=)', line):
                return number
        return self._own[0][0] if self._own else 1


def _refuse_unknown_keys(path: Path, data: dict[str, object], lines: _LineFinder, known: Sequence[str]) -> None:
    for key in data:
        if key not in known:
            raise UsageError(f'{path}, line {lines.line_of(key)}: unknown key "{key}"{nearest(key, known)}')


def _implementation(path: Path, data: dict[str, object], lines: _LineFinder) -> Implementation:
    # Without a command to run, this Python runs a source in Python.
    needed = ("name", "spec") if str(data.get("source", "")).endswith(".py") else ("name", "spec", "run")
    for key in needed:
        if not data.get(key):
            raise UsageError(f'{path}, line {lines.line_of(key)}: the key "{key}" is missing or empty')
    try:
        server = convert(data, Implementation)
    except msgspec.ValidationError as error:
        key = match[1] if (match := re.search(r"\$\.(\w+)", str(error))) else ""
        raise UsageError(f"{path}, line {lines.line_of(key)}: {error}") from None
    if problem := _wrong_name(server.name):
        raise UsageError(f"{path}, line {lines.line_of('name')}: {problem}")
    if key := next((key for key, value in data.items() if "\\u0000" in to_json(value).decode()), ""):
        raise UsageError(f"{path}, line {lines.line_of(key)}: a string has the character U+0000")
    key, problem = unknown_word(server)
    if problem:
        raise UsageError(f"{path}, line {lines.line_of(key)}: {problem}")
    try:
        needs.parse(server)
    except UsageError as error:
        raise UsageError(f"{path}, line {lines.line_of('needs')}: {error}") from None
    folder = path.parent.resolve()
    for key, names in (("source", [server.source] if server.source else []), ("files", server.files)):
        for name in names:
            if not (folder / name).exists():
                raise UsageError(f"{path}, line {lines.line_of(key)}: there is no file {folder / name}")
            if not (folder / name).resolve().is_relative_to(folder):
                raise UsageError(f"{path}, line {lines.line_of(key)}: {folder / name} is not in the server's folder")
    return msgspec.structs.replace(server, source=folder / server.source) if server.source else server


def _wrong_name(name: str) -> str:
    """Return why a name cannot be that of a server, which is also that of folders; "" if it can."""
    if len(name) > LONGEST_NAME:
        return f"the name has more than {LONGEST_NAME} characters"
    if not name.isprintable() or "/" in name or name.startswith("."):
        return f"the name {name!r} has a character that cannot be shown, or a slash, or begins with a dot"
    return ""


def _place(path: Path, error: tomllib.TOMLDecodeError) -> str:
    match = re.search(r"at line (\d+)", str(error))
    return f"{path}, line {match[1]}" if match else str(path)


@hookimpl
def harness_implementations() -> list[Implementation]:
    """Return the servers that the manifests below the `impls` package declare."""
    roots = importlib.import_module(IMPLS).__path__
    manifests = (path for root in roots for path in sorted(Path(root).glob(f"*/{FILE}")))
    return list(chain.from_iterable(map(read, manifests)))
