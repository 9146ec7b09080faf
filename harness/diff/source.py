"""A server's source as lines to read, without what one does not want to read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.diff import python_source
from harness.errors import UsageError
from harness.zoo import language


class Line(NamedTuple):
    """A line without its end.

    Attributes:
        number: of the line in its file, from 1.
        function: the name of the innermost function (or class) it stands in, or "".
        header: the first line of that function, or "".
    """

    number: int
    text: str
    function: str = ""
    header: str = ""


@dataclass(frozen=True)
class Source:
    """What is read of a server.

    Attributes:
        name: what the server is called.
        path: of its file, as short as it can be told from here.
        functions: the names of its functions and classes, in their order.
    """

    name: str
    path: str
    lines: Sequence[Line]
    functions: Sequence[str]


def read(name: str, path: Path, *, with_comments: bool = True, with_imports: bool = True) -> Source:
    """Read a source file, or what is left of it without comments (and docstrings), without imports.

    Raises:
        UsageError: it cannot be read, is no text, or must be parsed and cannot be.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise UsageError(f'"{name}" has no source to read: {path} is no text')
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    spoken = language.language_of(path, text)
    try:
        spans = _left_out(text, spoken, with_comments=with_comments, with_imports=with_imports)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno or 1}: not Python: {error.msg}") from None
    names, headers = _functions(text, spoken)
    kept = without(text, spans)
    lines = [Line(number, line, *headers.get(number, ("", ""))) for number, line in kept]
    return Source(name, _shown(path), lines, names)


def _left_out(text: str, spoken: language.Language, *, with_comments: bool, with_imports: bool) -> list[language.Span]:
    spans: list[language.Span] = []
    if not with_comments:
        spans += python_source.comments(text) if spoken is language.PYTHON else language.comments(text, spoken)
    if not with_imports:
        spans += python_source.imports(text) if spoken is language.PYTHON else language.imports(text, spoken)
    return sorted(spans)


def without(text: str, spans: Sequence[language.Span]) -> list[tuple[int, str]]:
    """Return the lines of a text, numbered from 1, without some spans of it (in their order; they may overlap).

    A line of which nothing is left is left out; and of several blank lines that meet by this only one stays.
    """
    kept: list[tuple[int, str]] = []
    begins, is_cut = 0, False
    for number, line in enumerate(_lines(text), 1):
        ends = begins + len(line)
        cut = [span for span in spans if span[0] <= ends and span[1] > begins]
        rest, at = "", begins
        for first, last in cut:
            rest += text[at : max(first, at)]
            at = max(at, min(last, ends))
        rest += text[at:ends]
        begins = ends + 1
        if cut and not rest.strip():
            is_cut = True
        elif rest.strip() or not is_cut or (kept and kept[-1][1].strip()):
            kept.append((number, rest.rstrip() if cut else rest))
            is_cut = is_cut and not rest.strip()
    return kept


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _functions(text: str, spoken: language.Language) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Return the names of the functions; and for each line in one its name and header."""
    lines = _lines(text)
    if spoken is language.PYTHON:
        try:
            found = python_source.functions(text)
        except SyntaxError:  # then it is shown without
            found = []
    else:
        begun = language.functions(text, spoken)
        ends = [number - 1 for _, number in begun[1:]] + [len(lines)]
        found = [(name, first, last) for (name, first), last in zip(begun, ends, strict=False)]
    headers = {}
    for name, first, last in found:
        header = lines[first - 1].strip().rstrip("{:").rstrip()
        headers.update(dict.fromkeys(range(first, last + 1), (name, header)))
    return list(dict.fromkeys(name for name, _, _ in found)), headers


def _shown(path: Path) -> str:
    full = path.resolve()
    return os.path.relpath(full) if full.is_relative_to(Path.cwd()) else str(full)
