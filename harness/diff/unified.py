"""Shows a diff in the unified format of `diff -u`; a changed line stands directly below its old form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from harness.diff.compare import DiffRow, changed_spans
from harness.diff.show import DIM, HEADING, LEFT, RIGHT, first_difference, hunks, styled
from harness.diff.source import Source, SourceLine


def unified(left: Source, right: Source, rows: Sequence[DiffRow], context: int) -> Iterator[Text]:
    """Yield the lines of a unified diff, names first; nothing if the sources are equal.

    Args:
        left: the old source.
        right: the new source.
        rows: their comparison.
        context: the number of equal lines around each difference.
    """
    is_first = True
    for begin, hunk in hunks(rows, context):
        if is_first:
            yield Text(f"--- {left.path}\t{left.name}", f"bold {LEFT}")
            yield Text(f"+++ {right.path}\t{right.name}", f"bold {RIGHT}")
            is_first = False
        old, new = (_range([row[side] for row in rows[:begin]], [row[side] for row in hunk]) for side in (0, 1))
        heading = Text(f"@@ -{old} +{new} @@", HEADING)
        difference = first_difference(hunk)
        if header := (difference.left or difference.right or SourceLine(0, "")).header:
            heading.append(f" {header}", DIM)
        yield heading
        for row in hunk:
            yield from _row(row)


def _row(row: DiffRow) -> Iterator[Text]:
    left, right = row
    if row.is_equal and left:
        yield Text(" ") + styled(left, "")
        return
    left_changed, right_changed = changed_spans(left.text, right.text) if left and right else ([], [])
    if left:
        yield Text("-", LEFT) + styled(left, LEFT, left_changed)
    if right:
        yield Text("+", RIGHT) + styled(right, RIGHT, right_changed)


def _range(before: Sequence[SourceLine | None], inside: Sequence[SourceLine | None]) -> str:
    """Return the line range of a side for a hunk's heading; without lines, the number of the line before."""
    numbers = [line.number for line in inside if line]
    if not numbers:
        return f"{max((line.number for line in before if line), default=0)},0"
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]},{len(numbers)}"
