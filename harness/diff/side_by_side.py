"""Shows a diff in two columns: corresponding lines stand side by side, and long lines are folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from harness.diff.compare import DiffRow, changed_spans
from harness.diff.show import DIM, HEADING, LEFT, RIGHT, first_difference, hunks, styled
from harness.diff.source import Source, SourceLine
from harness.zoo.language import TextSpan

MIN_COLUMNS = 8  # for the text of a side, however narrow the terminal
TAB = 4
INDENT = 2  # extra columns before the continuation of a folded line


def side_by_side(left: Source, right: Source, rows: Sequence[DiffRow], context: int, width: int) -> Iterator[Text]:
    """Yield the lines of a diff in two columns.

    Args:
        left: the source on the left.
        right: the source on the right.
        rows: their comparison.
        context: the number of equal rows around each difference.
        width: the greatest width of a line in columns, at least 30.
    """
    digits = max((len(str(line.number)) for row in rows for line in row if line), default=1)
    room = max((width - 2 * digits - 5) // 2, MIN_COLUMNS)
    longest = max((cell_len(line.text.expandtabs(TAB)) for row in rows for line in row if line), default=0)
    columns = TwoColumns(digits, min(room, max(longest, cell_len(left.name), cell_len(right.name), MIN_COLUMNS)))
    is_first = True
    for _, hunk in hunks(rows, context):
        if is_first:
            yield from columns.headings(left, right)
        yield columns.rule(first_difference(hunk))
        is_first = False
        for row in hunk:
            yield from columns.row(row)


class TwoColumns:
    """Lays out text in two columns, each with line numbers.

    Args:
        digits: the width of a line number.
        room: the width of the text of a column.
    """

    def __init__(self, digits: int, room: int) -> None:
        self._digits, self._room = digits, room

    def headings(self, left: Source, right: Source) -> Iterator[Text]:
        """Yield the headings of the columns: names, and paths of the files."""
        for left_text, right_text, style in ((left.name, right.name, "bold"), (left.path, right.path, DIM)):
            yield from self._joined(Text(left_text, f"{style} {LEFT}"), Text(right_text, f"{style} {RIGHT}"))

    def rule(self, row: DiffRow) -> Text:
        """Return the line above a hunk, with the names of the functions in which its first difference is."""
        names = " / ".join(dict.fromkeys(line.function for line in row if line and line.function))
        width = 2 * (self._digits + self._room) + 5
        return Text(_cut(f"── {names} " if names else "", width).ljust(width, "─"), HEADING)

    def row(self, row: DiffRow) -> Iterator[Text]:
        """Yield the lines of output for a row: more than one if a line is folded."""
        left, right = row
        styles, sign = (LEFT, RIGHT), "<" if left else ">"
        left_changed: Sequence[TextSpan] = ()
        right_changed: Sequence[TextSpan] = ()
        if row.is_equal:
            styles, sign = ("", ""), " "
        elif left and right:
            sign = "|"
            left_changed, right_changed = changed_spans(left.text, right.text)
        yield from self._joined(
            styled(left, styles[0], left_changed) if left else Text(),
            styled(right, styles[1], right_changed) if right else Text(),
            sign,
            (self._number(left), self._number(right)),
        )

    def _number(self, line: SourceLine | None) -> str:
        return str(line.number) if line else ""

    def _joined(self, left: Text, right: Text, sign: str = " ", numbers: tuple[str, str] = ("", "")) -> Iterator[Text]:
        halves = [fold(left, self._room), fold(right, self._room)]
        for index in range(max(map(len, halves))):
            line = Text()
            for half, number, end in zip(halves, numbers, (f" {sign} ", ""), strict=True):
                text = half[index] if index < len(half) else Text()
                line.append((number if not index else "").rjust(self._digits) + " ", DIM)
                line.append_text(text)
                if end:
                    line.append(" " * (self._room - text.cell_len) + end)
            line.rstrip()
            yield line


def fold(text: Text, room: int) -> list[Text]:
    """Return a line in pieces of at most `room` columns, cut between words if a break is not too far back.

    All pieces but the first are indented further than the line. No character is cut in two: a character wider than
    `room` gets a piece of its own.
    """
    text = text.copy()
    text.expand_tabs(TAB)
    indent = min(len(text.plain) - len(text.plain.lstrip()) + INDENT, room // 2)
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
            end = next((position for position in (word, dot) if position - begin > width // 3), end)
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
