"""Finds out whether one order fits what all clients saw, and if not which messages stand in its way.

An order is guessed, by weaving the streams together, and held against every stream: an order that fits is a
proof, whatever it came from. Where streams run against the guess, only the stretch between the two messages
concerned can be wrong; overlapping stretches make a block, every cycle of edges lies within one block, and
Kahn's algorithm decides there. All of it is linear in the events but for sorting the edges within blocks, and
the verdict does not depend on the guess, only the time does. The idea that an edge against a known order
concerns nothing outside its stretch is Pearce's and Kelly's (A dynamic topological sort algorithm for
directed acyclic graphs, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from harness.history.views import Mask, Numbers, View

SETTLE = 8  # woven messages are settled when what was looked at since is a SETTLEth of the whole


def guess(views: Sequence[View], messages: int) -> Numbers:
    """Return all messages in an order that fits most of what the clients saw.

    The longest stream comes first; each other stream puts its new messages behind what it has before them.
    """
    order: Numbers = np.empty(0, np.int32)
    rank = np.full(messages, -1, np.int32)  # -1 for unknown, -2 for known and not settled yet
    fresh: list[Numbers] = []
    behind: list[Numbers] = []
    looked_at = 0
    lines = [view.heard for view in sorted(views, key=lambda view: -view.heard.size)]
    # What nobody heard stands where its sender said it.
    unheard = (view.in_turn() for view in views if (rank[view.said] == -1).any())
    for line in chain(lines, unheard):
        looked_at += line.size
        ranks = rank[line]
        new = ranks == -1
        if new.any():
            fresh.append(line[new])
            behind.append(np.maximum.accumulate(ranks)[new])
            rank[line[new]] = -2
        if fresh and looked_at * SETTLE >= order.size:
            order = _settled(order, fresh, behind)
            rank[order] = np.arange(order.size, dtype=np.int32)
            fresh, behind, looked_at = [], [], 0
    order = _settled(order, fresh, behind)
    rank[order] = 0
    return np.concatenate((order, np.flatnonzero(rank == -1).astype(np.int32)))


def _settled(order: Numbers, fresh: Sequence[Numbers], behind: Sequence[Numbers]) -> Numbers:
    if not fresh:
        return order
    return np.insert(order, np.maximum(np.concatenate(behind), -1) + 1, np.concatenate(fresh))


def suspects(views: Sequence[View], order: Numbers) -> Numbers:
    """Return, in their order, the messages of all stretches that some client saw otherwise.

    All cycles of edges are among them; where there are none, the order fits everybody.
    """
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    begin, end = np.zeros(order.size, np.int64), np.zeros(order.size, np.int64)
    for view in views:
        before, after = (rank[numbers] for numbers in view.edges())
        against = before > after
        if against.any():
            np.add.at(begin, after[against], 1)
            np.add.at(end, before[against], 1)
    open_ = np.cumsum(begin - end)
    return order[(open_ > 0) | (end > 0)]


def on_cycles(views: Sequence[View], messages: int) -> Mask:
    """Return for each message whether it is on a cycle of edges, or between two."""
    pairs = []
    for view in views:
        froms, tos = view.edges()
        pairs.append(_distinct(froms.astype(np.int64) * messages + tos))
    edges = _distinct(np.concatenate(pairs))
    before, after = edges // messages, edges % messages
    late = _left_by_kahn(before, after, messages)
    if not late.any():
        return late
    within = late[before] & late[after]
    before, after = before[within], after[within]
    backwards = np.argsort(after, kind="stable")
    early = _left_by_kahn(after[backwards], before[backwards], messages)
    return late & early


def _distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers = np.sort(numbers)
    return numbers[np.concatenate(([True], numbers[1:] != numbers[:-1]))] if numbers.size else numbers


def _left_by_kahn(before: NDArray[np.int64], after: NDArray[np.int64], messages: int) -> Mask:
    """Return what is on a cycle or behind one; edges are sorted by `before`."""
    starts = np.searchsorted(before, np.arange(messages + 1)).tolist()
    waiting = np.bincount(after, minlength=messages)
    ready = np.flatnonzero(waiting == 0).tolist()
    targets, waiting = after.tolist(), waiting.tolist()
    while ready:
        number = ready.pop()
        for later in targets[starts[number] : starts[number + 1]]:
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    return np.asarray(waiting) > 0
