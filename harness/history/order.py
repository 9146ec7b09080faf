"""Finds out whether one order fits what all clients saw, and if not, which messages contradict it.

An order is guessed by merging the streams, and then compared with every stream. An order that fits is a proof, however
it was found. Where a stream contradicts the guess, only the stretch between the two messages concerned can be wrong.
Overlapping stretches form a block, every cycle of edges lies within one block, and Kahn's algorithm decides there. All
of it is linear in the number of events, except for sorting the edges within blocks. The verdict does not depend on the
guess; only the running time does. That an edge against a known order concerns nothing outside its stretch is the idea
of Pearce and Kelly (A dynamic topological sort algorithm for directed acyclic graphs, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from harness.history.views import Mask, Numbers, View

INSERT_DIVISOR = 8  # new messages are inserted once the events looked at since are this fraction of the order


def guess_order(views: Sequence[View], messages: int) -> Numbers:
    """Return all messages in an order that fits most of what the clients saw.

    The longest stream comes first; every other stream inserts its new messages after the one it has before them.

    Args:
        views: one for each client.
        messages: how many messages there are.

    Returns:
        Shape (messages,), the numbers of the messages.
    """
    order: Numbers = np.empty(0, np.int32)
    rank = np.full(messages, -1, np.int32)  # by message: -1 is unknown, -2 is known but not inserted yet
    new_messages: list[Numbers] = []
    ranks_before: list[Numbers] = []
    looked_at = 0
    lines = [view.received for view in sorted(views, key=lambda view: -view.received.size) if view.received.size]
    # A message that no client received is placed where its sender sent it.
    unreceived = (view.interleaved() for view in views if view.sent.size and (rank[view.sent] == -1).any())
    for line in chain(lines, unreceived):
        looked_at += line.size
        ranks = rank[line]
        is_new = ranks == -1
        if is_new.any():
            new_messages.append(line[is_new])
            ranks_before.append(np.maximum.accumulate(ranks)[is_new])
            rank[line[is_new]] = -2
        if new_messages and looked_at * INSERT_DIVISOR >= order.size:
            order = _inserted(order, new_messages, ranks_before)
            rank[order] = np.arange(order.size, dtype=np.int32)
            new_messages, ranks_before, looked_at = [], [], 0
    order = _inserted(order, new_messages, ranks_before)
    rank[order] = 0
    return np.concatenate((order, np.flatnonzero(rank == -1).astype(np.int32)))


def _inserted(order: Numbers, new_messages: Sequence[Numbers], ranks_before: Sequence[Numbers]) -> Numbers:
    """Return the order with each new message inserted after the rank before it."""
    if not new_messages:
        return order
    if not order.size:
        return np.concatenate(new_messages)
    return np.insert(order, np.maximum(np.concatenate(ranks_before), -1) + 1, np.concatenate(new_messages))


def suspect_messages(views: Sequence[View], order: Numbers) -> Numbers:
    """Return the messages of all stretches that contradict some client, in the given order.

    All cycles of edges are among them. When there are none, the order fits every client.

    Args:
        views: one for each client.
        order: shape (messages,), a guessed order of all messages.

    Returns:
        Shape (suspects,), the numbers of the messages.
    """
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    # By rank: how many more stretches begin than end, and whether one ends; None as long as there are none.
    balance: Numbers | None = None
    is_end: Mask = np.zeros(order.size, dtype=bool)
    for view in views:
        if view.size < 2:
            continue
        before, after = (rank[numbers] for numbers in view.edges())
        is_against = before > after
        if is_against.any():
            balance = np.zeros(order.size, np.int32) if balance is None else balance
            np.add.at(balance, after[is_against], 1)
            np.add.at(balance, before[is_against], -1)
            is_end[before[is_against]] = True
    if balance is None:
        return order[:0]
    open_stretches = np.cumsum(balance, dtype=np.int32)
    return order[(open_stretches > 0) | is_end]
