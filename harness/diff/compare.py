"""Compares two sources: pairs their lines, and finds the words that differ within a pair.

difflib finds the equal lines. In the blocks between them, lines are paired with the lines most similar to them, in
order, so that a call with `await` stands next to the same call without it. difflib alone would only mark the whole
block as replaced.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.diff.source import SourceLine
from harness.zoo.language import TextSpan

Floats = NDArray[np.float64]
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MIN_SIMILARITY = 0.5  # below this, two lines are not the same line in a changed form
BLANK_SCORE = 0.1  # for a pair of blank lines: too little to separate lines that are similar
MAX_PAIRS = 250_000  # in a block; larger blocks are left unpaired, because scoring all pairs would take too long


class DiffRow(NamedTuple):
    """Two lines that correspond to each other, or one line without a counterpart."""

    left: SourceLine | None
    right: SourceLine | None

    @property
    def is_equal(self) -> bool:
        """Whether both lines exist and have the same text."""
        return self.left is not None and self.right is not None and self.left.text == self.right.text

    @property
    def is_changed(self) -> bool:
        """Whether both lines exist and differ."""
        return self.left is not None and self.right is not None and self.left.text != self.right.text


def compare(left: Sequence[SourceLine], right: Sequence[SourceLine]) -> list[DiffRow]:
    """Return the rows of a diff: every line of either source once, in its order."""
    matcher = SequenceMatcher(
        lambda text: not text.strip(), [line.text for line in left], [line.text for line in right], autojunk=False
    )
    rows: list[DiffRow] = []
    for tag, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        if tag == "equal":
            rows += map(DiffRow, left[left_start:left_end], right[right_start:right_end])
        else:
            rows += _block_rows(left[left_start:left_end], right[right_start:right_end])
    return rows


def _block_rows(left: Sequence[SourceLine], right: Sequence[SourceLine]) -> Iterator[DiffRow]:
    """Yield the rows of a block without equal lines; unpaired lines stand before the next pair."""
    left_done, right_done = 0, 0
    for left_index, right_index in _pairs([line.text for line in left], [line.text for line in right]):
        yield from (DiffRow(line, None) for line in left[left_done:left_index])
        yield from (DiffRow(None, line) for line in right[right_done:right_index])
        yield DiffRow(left[left_index], right[right_index])
        left_done, right_done = left_index + 1, right_index + 1
    yield from (DiffRow(line, None) for line in left[left_done:])
    yield from (DiffRow(None, line) for line in right[right_done:])


def _pairs(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs (left index, right index), in order, with the greatest sum of scores (Needleman-Wunsch)."""
    if not left or not right or len(left) * len(right) > MAX_PAIRS:
        return []
    scores = _scores(left, right)
    best = np.zeros((len(left) + 1, len(right) + 1))  # best[i, j]: greatest sum for left[i:] and right[j:]
    for i in reversed(range(len(left))):
        paired = np.where(scores[i] > 0, best[i + 1, 1:] + scores[i], 0.0)
        # best[i, j] is the greatest of paired[j], best[i + 1, j] and best[i, j + 1]: a running maximum from the right.
        best[i, :-1] = np.maximum.accumulate(np.maximum(paired, best[i + 1, :-1])[::-1])[::-1]
    pairs, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        score = scores[i, j]
        if score and best[i, j] == best[i + 1, j + 1] + score:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return pairs


def _scores(left: Sequence[str], right: Sequence[str]) -> Floats:
    """Return the score of each pair of lines, lines × lines.

    Only pairs that have enough words in common are matched word by word: few, of sources in different languages.
    """
    scores: Floats = np.zeros((len(left), len(right)))
    totals = np.add.outer(*([sum(map(len, _words(text))) for text in lines] for lines in (left, right)))
    common, places, other_places = np.zeros(scores.shape), _places(left), _places(right)
    for word in places.keys() & other_places.keys():
        (rows, counts), (columns, other_counts) = places[word], other_places[word]
        common[np.array(rows)[:, np.newaxis], columns] += len(word) * np.minimum.outer(counts, other_counts)
    for i, j in np.argwhere((2 * common >= MIN_SIMILARITY * totals) & (totals > 0)).tolist():
        score = similarity(left[i], right[j])
        scores[i, j] = score if score >= MIN_SIMILARITY else 0.0
    blank, other_blank = (np.array([not text.strip() for text in lines]) for lines in (left, right))
    scores[np.ix_(blank, other_blank)] = BLANK_SCORE
    return scores


def _places(lines: Sequence[str]) -> dict[str, tuple[list[int], list[int]]]:
    """Return for each word the numbers of the lines that have it, and how often each does."""
    found: dict[str, tuple[list[int], list[int]]] = {}
    for number, text in enumerate(lines):
        for word, count in _word_counts(text).items():
            numbers, counts = found.setdefault(word, ([], []))
            numbers.append(number)
            counts.append(count)
    return found


@cache
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(TOKEN.findall(text))


@cache
def _words(text: str) -> tuple[str, ...]:
    return tuple(token for token in _tokens(text) if not token.isspace())


@cache
def _word_counts(text: str) -> Counter[str]:
    return Counter(_words(text))


@cache
def similarity(left: str, right: str) -> float:
    """Return the share of characters, without white space, in words that two lines have in common: from 0 to 1."""
    left_words, right_words = _words(left), _words(right)
    total = sum(map(len, left_words)) + sum(map(len, right_words))
    if left_words == right_words:
        return 1.0
    common = _word_counts(left) & _word_counts(right)
    upper_bound = 2 * sum(len(word) * count for word, count in common.items()) / total
    if upper_bound < MIN_SIMILARITY:  # true of most pairs, and cheaper than matching them
        return upper_bound
    blocks = SequenceMatcher(None, left_words, right_words, autojunk=False).get_matching_blocks()
    return 2 * sum(sum(map(len, left_words[block.a : block.a + block.size])) for block in blocks) / total


def changed_spans(left: str, right: str) -> tuple[list[TextSpan], list[TextSpan]]:
    """Return the spans of the words that differ, in either line; without them the lines are equal."""
    left_tokens, right_tokens = _tokens(left), _tokens(right)
    codes = SequenceMatcher(str.isspace, left_tokens, right_tokens, autojunk=False).get_opcodes()
    return (
        _changed_spans(left, left_tokens, [(tag, start, end) for tag, start, end, _, _ in codes]),
        _changed_spans(right, right_tokens, [(tag, start, end) for tag, _, _, start, end in codes]),
    )


def _changed_spans(text: str, tokens: Sequence[str], codes: Sequence[tuple[str, int, int]]) -> list[TextSpan]:
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    spans = []
    for index, (tag, start, end) in enumerate(codes):
        if tag == "equal" or start == end:
            continue
        first, last = offsets[start], offsets[end]
        limit = offsets[codes[index + 1][2]] if index + 1 < len(codes) else last
        # An inserted word can be marked as " await" or as "await ", and both are correct. Prefer "await ".
        while tag != "replace" and last < limit and text[first].isspace() and text[first] == text[last]:
            first, last = first + 1, last + 1
        spans.append((first, last))
    return spans
