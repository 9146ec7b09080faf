"""Reads the source of a server as lines, optionally without comments and imports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.diff import python_source
from harness.errors import UsageError
from harness.zoo import language


class SourceLine(NamedTuple):
    """A line of a source file.

    Attributes:
        number: its number in the file, from 1.
        text: its text, without the line end.
        function: the name of the innermost function or class around it, or "".
        header: the first line of that function, or "".
    """

    number: int
    text: str
    function: str = ""
    header: str = ""


@dataclass(frozen=True)
class Source:
    """The source of a server.

    Attributes:
        name: the server's name.
        path: the path of the file, relative to the current folder if it is below it.
        lines: its lines, without those that were left out.
        functions: the names of its functions and classes, in their order.
    """

    name: str
    path: str
    lines: Sequence[SourceLine]
    functions: Sequence[str]


def read(name: str, path: Path, *, with_comments: bool = True, with_imports: bool = True) -> Source:
    """Read a source file.

    Args:
        name: the server's name.
        path: the file.
        with_comments: whether to keep comments and docstrings.
        with_imports: whether to keep import statements.

    Raises:
        UsageError: the file cannot be read, is no text, or must be parsed and is not Python.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise UsageError(f'"{name}" has no source to read: {path} is not a text file')
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    lang = language.language_of(path, text)
    try:
        spans = _spans_to_remove(text, lang, with_comments=with_comments, with_imports=with_imports)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno or 1}: not Python: {error.msg}") from None
    names, headers = _functions(text, lang)
    kept = remove_spans(text, spans)
    lines = [SourceLine(number, line, *headers.get(number, ("", ""))) for number, line in kept]
    return Source(name, _display_path(path), lines, names)


def _spans_to_remove(
    text: str, lang: language.Language, *, with_comments: bool, with_imports: bool
) -> list[language.TextSpan]:
    spans: list[language.TextSpan] = []
    if not with_comments:
        spans += python_source.comments(text) if lang is language.PYTHON else language.comments(text, lang)
    if not with_imports:
        spans += python_source.imports(text) if lang is language.PYTHON else language.imports(text, lang)
    return sorted(spans)


def remove_spans(text: str, spans: Sequence[language.TextSpan]) -> list[tuple[int, str]]:
    """Return the lines of a text, with their numbers from 1, without some spans of it.

    A line is left out if only white space remains of it. Where this brings blank lines together, only one is kept.

    Args:
        text: the text.
        spans: the spans to remove, in order; they may overlap.
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


def _functions(text: str, lang: language.Language) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Return the names of the functions; and by line number, the name and header of the function around it."""
    lines = _lines(text)
    if lang is language.PYTHON:
        try:
            functions = python_source.functions(text)
        except SyntaxError:  # shown anyway, without function names
            functions = []
    else:
        starts = language.functions(text, lang)
        ends = [number - 1 for _, number in starts[1:]] + [len(lines)]
        functions = [(name, first, last) for (name, first), last in zip(starts, ends, strict=False)]
    headers = {}
    for name, first, last in functions:
        header = lines[first - 1].strip().rstrip("{:").rstrip()
        headers.update(dict.fromkeys(range(first, last + 1), (name, header)))
    return list(dict.fromkeys(name for name, _, _ in functions)), headers


def _display_path(path: Path) -> str:
    full = path.resolve()
    return os.path.relpath(full) if full.is_relative_to(Path.cwd()) else str(full)
