"""The lines of two sources side by side, as rows of an HTML table with the words that differ marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from harness.diff.compare import DiffRow, changed_spans
from harness.diff.show import first_difference, hunks, safe
from harness.diff.source import SourceLine
from harness.extras import require
from harness.zoo.language import TextSpan

if TYPE_CHECKING:  # markupsafe comes with jinja2, an optional extra
    from markupsafe import Markup

CONTEXT = 3  # equal lines around each difference


def table_rows(rows: Sequence[DiffRow]) -> Markup:
    """Return the rows of the table: the hunks of a diff, each below the name of the function that it is in."""
    markup: type[Markup] = require("markupsafe", "site").Markup
    return markup("\n".join(_rows(rows)))


def _rows(rows: Sequence[DiffRow]) -> Iterator[str]:
    for _, hunk in hunks(rows, CONTEXT):
        names = dict.fromkeys(line.function for line in first_difference(hunk) if line and line.function)
        yield f'<tr class="hunk"><td colspan="4">{escape(" / ".join(names))}</td></tr>'
        yield from map(_row, hunk)


def _row(row: DiffRow) -> str:
    left, right = row
    kind = "equal" if row.is_equal else "changed" if row.is_changed else "removed" if left else "added"
    spans = changed_words(left.text, right.text) if left and right and row.is_changed else ([], [])
    return f'<tr class="{kind}">{_cells(left, spans[0])}{_cells(right, spans[1])}</tr>'


def changed_words(left: str, right: str) -> tuple[Sequence[TextSpan], Sequence[TextSpan]]:
    """Return the spans that differ, in either line, without those of white space beside words that differ.

    Another indentation would be the largest mark of the line.
    """
    spans = changed_spans(left, right)
    if left.split() == right.split():
        return spans
    first, second = (
        [span for span in some if text[slice(*span)].strip()] for text, some in zip((left, right), spans, strict=True)
    )
    return first, second


def _cells(line: SourceLine | None, spans: Sequence[TextSpan]) -> str:
    if line is None:
        return '<td class="none"></td><td class="none"></td>'
    shown = "".join(_pieces(line.text, spans)) if spans else escape(safe(line.text))
    return f'<td class="number">{line.number}</td><td class="code">{shown}</td>'


def _pieces(text: str, spans: Sequence[TextSpan]) -> Iterator[str]:
    done = 0
    for first, last in spans:
        yield escape(safe(text[done:first]))
        yield f"<mark>{escape(safe(text[first:last]))}</mark>"
        done = last
    yield escape(safe(text[done:]))
