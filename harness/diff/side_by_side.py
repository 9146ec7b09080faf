"""A difference in two columns: what belongs together stands side by side, and folds where it is too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from harness.diff.compare import Mark, Row, marks
from harness.diff.show import DIM, HEADING, OURS, THEIRS, first_difference, hunks, styled
from harness.diff.source import Line, Source

LEAST_COLUMNS = 8  # of text on a side, however narrow the terminal
TAB = 4
FURTHER = 2  # columns by which the rest of a folded line stands further in


def beside(left: Source, right: Source, rows: Sequence[Row], context: int, width: int) -> Iterator[Text]:
    """Yield the lines of a difference in two columns, none wider than `width` columns (of at least 30)."""
    digits = max((len(str(line.number)) for row in rows for line in row if line), default=1)
    room = max((width - 2 * digits - 5) // 2, LEAST_COLUMNS)
    longest = max((cell_len(line.text.expandtabs(TAB)) for row in rows for line in row if line), default=0)
    sides = Sides(digits, min(room, max(longest, cell_len(left.name), cell_len(right.name), LEAST_COLUMNS)))
    first = True
    for _, hunk in hunks(rows, context):
        if first:
            yield from sides.names(left, right)
        yield sides.rule(first_difference(hunk))
        first = False
        for row in hunk:
            yield from sides.row(row)


class Sides:
    """Two columns of text, each behind its line numbers."""

    def __init__(self, digits: int, room: int) -> None:
        self._digits, self._room = digits, room

    def names(self, left: Source, right: Source) -> Iterator[Text]:
        """Yield the heads of the columns: names, and where the files are."""
        for ours, theirs, style in ((left.name, right.name, "bold"), (left.path, right.path, DIM)):
            yield from self._joined(Text(ours, f"{style} {OURS}"), Text(theirs, f"{style} {THEIRS}"))

    def rule(self, row: Row) -> Text:
        """Return a line between hunks, with the functions that the next one is about."""
        names = " / ".join(dict.fromkeys(line.function for line in row if line and line.function))
        width = 2 * (self._digits + self._room) + 5
        return Text(_cut(f"── {names} " if names else "", width).ljust(width, "─"), HEADING)

    def row(self, row: Row) -> Iterator[Text]:
        """Yield the lines that a row takes."""
        ours, theirs = row
        styles, sign = (OURS, THEIRS), "<" if ours else ">"
        our_marks: Sequence[Mark] = ()
        their_marks: Sequence[Mark] = ()
        if row.is_equal:
            styles, sign = ("", ""), " "
        elif ours and theirs:
            sign = "|"
            our_marks, their_marks = marks(ours.text, theirs.text)
        yield from self._joined(
            styled(ours, styles[0], our_marks) if ours else Text(),
            styled(theirs, styles[1], their_marks) if theirs else Text(),
            sign,
            (self._number(ours), self._number(theirs)),
        )

    def _number(self, line: Line | None) -> str:
        return str(line.number) if line else ""

    def _joined(self, ours: Text, theirs: Text, sign: str = " ", numbers: tuple[str, str] = ("", "")) -> Iterator[Text]:
        halves = [fold(ours, self._room), fold(theirs, self._room)]
        for place in range(max(map(len, halves))):
            line = Text()
            for half, number, end in zip(halves, numbers, (f" {sign} ", ""), strict=True):
                text = half[place] if place < len(half) else Text()
                line.append((number if not place else "").rjust(self._digits) + " ", DIM)
                line.append_text(text)
                if end:
                    line.append(" " * (self._room - text.cell_len) + end)
            line.rstrip()
            yield line


def fold(text: Text, room: int) -> list[Text]:
    """Return a line in pieces of at most `room` columns, cut between words where there are some not too far back.

    What follows the first piece stands further in than the line. A character is never cut in two, and what is wider
    than `room` by itself gets a piece of its own.
    """
    text = text.copy()
    text.expand_tabs(TAB)
    indent = min(len(text.plain) - len(text.plain.lstrip()) + FURTHER, room // 2)
    pieces: list[Text] = []
    begin, width = 0, room
    while True:
        end, used, word, dot = begin, 0, 0, 0
        while end < len(text.plain) and (used + cell_len(text.plain[end]) <= width or end == begin):
            used += cell_len(text.plain[end])
            if text.plain[end] in " ,(" and text.plain[begin : end + 1].strip():
                word = end + 1
            elif text.plain[end] == ".":
                dot = end
            end += 1
        if end < len(text.plain) and text.plain[end] == " ":
            word = end
        if end < len(text.plain):
            end = next((place for place in (word, dot) if place - begin > width // 3), end)
        piece = text[begin:end]
        if pieces:
            piece.pad_left(indent)
        pieces.append(piece)
        begin, width = end, room - indent
        while pieces and begin < len(text.plain) and text.plain[begin] == " ":
            begin += 1
        if begin >= len(text.plain):
            return pieces


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
