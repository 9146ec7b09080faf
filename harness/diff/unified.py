"""A difference in one column: the form that `diff -u` has, a changed line under the line that it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from harness.diff.compare import Row, marks
from harness.diff.show import DIM, HEADING, OURS, THEIRS, first_difference, hunks, styled
from harness.diff.source import Line, Source


def unified(left: Source, right: Source, rows: Sequence[Row], context: int) -> Iterator[Text]:
    """Yield the lines of a unified difference, the names first; nothing when the sources are equal."""
    shown = False
    for begin, hunk in hunks(rows, context):
        if not shown:
            yield Text(f"--- {left.path}\t{left.name}", f"bold {OURS}")
            yield Text(f"+++ {right.path}\t{right.name}", f"bold {THEIRS}")
            shown = True
        ours, theirs = (_range([row[side] for row in rows[:begin]], [row[side] for row in hunk]) for side in (0, 1))
        heading = Text(f"@@ -{ours} +{theirs} @@", HEADING)
        about = first_difference(hunk)
        if header := (about.left or about.right or Line(0, "")).header:
            heading.append(f" {header}", DIM)
        yield heading
        for row in hunk:
            yield from _row(row)


def _row(row: Row) -> Iterator[Text]:
    ours, theirs = row.left, row.right
    if row.is_equal and ours:
        yield Text(" ") + styled(ours, "")
        return
    our_marks, their_marks = marks(ours.text, theirs.text) if ours and theirs else ([], [])
    if ours:
        yield Text("-", OURS) + styled(ours, OURS, our_marks)
    if theirs:
        yield Text("+", THEIRS) + styled(theirs, THEIRS, their_marks)


def _range(before: Sequence[Line | None], inside: Sequence[Line | None]) -> str:
    """Return where the lines of a side stand; where there are none, behind which line."""
    numbers = [line.number for line in inside if line]
    if not numbers:
        return f"{max((line.number for line in before if line), default=0)},0"
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]},{len(numbers)}"
