"""What differs between two sources: lines paired with lines, and in a pair the words that differ.

Equal lines are found by difflib. Inside what is left between them, lines are paired with the lines they resemble
most, in their order: a line with `await` before the same call shall stand beside its call, wherever it has moved.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

import numpy as np

from harness.diff.source import Line

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
RESEMBLES = 0.5  # from this similarity on, two lines are the same line, changed
BLANK_WORTH = 0.1  # of a pair of blank lines: they shall not tear what resembles each other apart
PAIRS = 250_000  # in a block; beyond that nothing in it resembles anything, or nobody would wait for it

Mark = tuple[int, int]  # places in a line: of the first character that differs, and behind the last


class Row(NamedTuple):
    """Two lines that belong together, or one that has no counterpart."""

    left: Line | None
    right: Line | None

    @property
    def is_equal(self) -> bool:
        return self.left is not None and self.right is not None and self.left.text == self.right.text

    @property
    def is_changed(self) -> bool:
        return self.left is not None and self.right is not None and self.left.text != self.right.text


def compare(left: Sequence[Line], right: Sequence[Line]) -> list[Row]:
    """Return the rows of two sources: every line once, each side in its order."""
    matcher = SequenceMatcher(
        lambda text: not text.strip(), [line.text for line in left], [line.text for line in right], autojunk=False
    )
    rows: list[Row] = []
    for tag, start, end, other, other_end in matcher.get_opcodes():
        if tag == "equal":
            rows += map(Row, left[start:end], right[other:other_end])
        else:
            rows += _paired(left[start:end], right[other:other_end])
    return rows


def _paired(left: Sequence[Line], right: Sequence[Line]) -> Iterator[Row]:
    """Pair lines so that the sum of their similarities is the greatest; what has no counterpart stands before."""
    taken, other_taken = 0, 0
    for place, other in _pairs([line.text for line in left], [line.text for line in right]):
        yield from (Row(line, None) for line in left[taken:place])
        yield from (Row(None, line) for line in right[other_taken:other])
        yield Row(left[place], right[other])
        taken, other_taken = place + 1, other + 1
    yield from (Row(line, None) for line in left[taken:])
    yield from (Row(None, line) for line in right[other_taken:])


def _pairs(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    if not left or not right or len(left) * len(right) > PAIRS:
        return []
    worth = np.array([[_worth(one, other) for other in right] for one in left])
    best = np.zeros((len(left) + 1, len(right) + 1))  # of what begins at these places
    for place in reversed(range(len(left))):
        for other in reversed(range(len(right))):
            both = best[place + 1, other + 1] + worth[place, other] if worth[place, other] else 0
            best[place, other] = max(both, best[place + 1, other], best[place, other + 1])
    pairs, place, other = [], 0, 0
    while place < len(left) and other < len(right):
        value = worth[place, other]
        if value and best[place, other] == best[place + 1, other + 1] + value:
            pairs.append((place, other))
            place, other = place + 1, other + 1
        elif best[place, other] == best[place + 1, other]:
            place += 1
        else:
            other += 1
    return pairs


def _worth(left: str, right: str) -> float:
    found = similarity(left, right)
    if not left.strip():
        return BLANK_WORTH * found
    return found if found >= RESEMBLES else 0.0


@cache
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(TOKEN.findall(text))


@cache
def _words(text: str) -> tuple[str, ...]:
    return tuple(token for token in _tokens(text) if not token.isspace())


@cache
def similarity(left: str, right: str) -> float:
    """Return how much of two lines is equal, by characters and without white space, from 0 to 1."""
    ours, theirs = _words(left), _words(right)
    total = sum(map(len, ours)) + sum(map(len, theirs))
    if ours == theirs:
        return 1.0
    common = Counter(ours) & Counter(theirs)
    at_most = 2 * sum(len(word) * count for word, count in common.items()) / total
    if at_most < RESEMBLES:  # which is cheap to know, and most pairs are like that
        return at_most
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return 2 * sum(sum(map(len, ours[one.a : one.a + one.size])) for one in blocks) / total


def marks(left: str, right: str) -> tuple[list[Mark], list[Mark]]:
    """Return what differs in two lines, word by word; without its marks either line is the same."""
    ours, theirs = _tokens(left), _tokens(right)
    codes = SequenceMatcher(str.isspace, ours, theirs, autojunk=False).get_opcodes()
    return (
        _marks(left, ours, [(tag, start, end) for tag, start, end, _, _ in codes]),
        _marks(right, theirs, [(tag, start, end) for tag, _, _, start, end in codes]),
    )


def _marks(text: str, tokens: Sequence[str], codes: Sequence[tuple[str, int, int]]) -> list[Mark]:
    ends = [0]
    for token in tokens:
        ends.append(ends[-1] + len(token))
    found = []
    for place, (tag, start, end) in enumerate(codes):
        if tag == "equal" or start == end:
            continue
        first, last = ends[start], ends[end]
        limit = ends[codes[place + 1][2]] if place + 1 < len(codes) else last
        # Of " await" before a blank and "await " behind one, both true, the second is how one would say it.
        while tag != "replace" and last < limit and text[first].isspace() and text[first] == text[last]:
            first, last = first + 1, last + 1
        found.append((first, last))
    return found
