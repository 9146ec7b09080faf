"""What both forms of a difference have in common: hunks, styles, and text that is safe on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from harness.diff.compare import Mark, Row
from harness.diff.source import Line

OURS, THEIRS, HEADING, DIM = "red", "green", "cyan", "dim"
MARKED = "reverse"


def hunks(rows: Sequence[Row], context: int) -> Iterator[tuple[int, Sequence[Row]]]:
    """Cut rows into stretches with what differs, each with so many equal rows around it; tell where each begins."""
    begin, end = 0, 0  # of the stretch so far; empty while there is none
    for place, row in enumerate(rows):
        if row.is_equal:
            continue
        if begin < end and place - context > end:
            yield begin, rows[begin:end]
            begin = end
        if begin == end:
            begin = max(place - context, end)
        end = min(place + context + 1, len(rows))
    if begin < end:
        yield begin, rows[begin:end]


def first_difference(hunk: Sequence[Row]) -> Row:
    """Return the row for which the hunk is shown."""
    return next(row for row in hunk if not row.is_equal)


def styled(line: Line, style: str, marks: Sequence[Mark] = ()) -> Text:
    """Return a line in a style, its marks in it; control characters are shown as pictures, tabs stay."""
    text = Text(safe(line.text), style)
    for first, last in marks:
        text.stylize(MARKED, first, last)
    return text


def safe(text: str) -> str:
    """Return a text with a picture for each character that would do something to a terminal; tabs stay."""
    return text if text.replace("\t", "").isprintable() else "".join(map(_picture, text))


def _picture(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 32 else "�"
