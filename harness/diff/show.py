"""Shared by both layouts of a diff: hunks, styles, and text that is safe on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from harness.diff.compare import DiffRow
from harness.diff.source import SourceLine
from harness.zoo.language import TextSpan

LEFT, RIGHT, HEADING, DIM = "red", "green", "cyan", "dim"
CHANGED = "reverse"


def hunks(rows: Sequence[DiffRow], context: int) -> Iterator[tuple[int, Sequence[DiffRow]]]:
    """Yield the hunks of a diff, each with the index of its first row.

    Args:
        rows: all rows of the diff.
        context: the number of equal rows to keep before and after each difference.
    """
    begin, end = 0, 0  # of the current hunk; empty while there is none
    for index, row in enumerate(rows):
        if row.is_equal:
            continue
        if begin < end and index - context > end:
            yield begin, rows[begin:end]
            begin = end
        if begin == end:
            begin = max(index - context, end)
        end = min(index + context + 1, len(rows))
    if begin < end:
        yield begin, rows[begin:end]


def first_difference(hunk: Sequence[DiffRow]) -> DiffRow:
    """Return the first row of a hunk that is not equal."""
    return next(row for row in hunk if not row.is_equal)


def styled(line: SourceLine, style: str, changed: Sequence[TextSpan] = ()) -> Text:
    """Return a line in a style, made safe for a terminal (see `safe`).

    Args:
        line: the line.
        style: the style of the whole line, for rich.
        changed: the spans to highlight.
    """
    text = Text(safe(line.text), style)
    for first, last in changed:
        text.stylize(CHANGED, first, last)
    return text


def safe(text: str) -> str:
    """Return a text with a visible symbol in place of each control character; tabs stay."""
    return text if text.replace("\t", "").isprintable() else "".join(map(_symbol, text))


def _symbol(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 32 else "�"
