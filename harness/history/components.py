"""Which messages are on cycles of edges together: strongly connected components, by Tarjan's algorithm (1972).

In what one client received, the messages of a component stand next to each other, and so they do in what it sent: what
is between two of them is after the first and before the second, so it is on a cycle with both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.history.views import Mask, Numbers, View


def components(views: Sequence[View], messages: int) -> Numbers:
    """Return for each message the number of its component, from 1; 0 if it is on no cycle of edges.

    Args:
        views: one for each client.
        messages: how many messages there are.
    """
    pairs = [np.empty(0, np.int64)]
    for view in views:
        if view.size > 1:
            begins, ends = view.edges()
            pairs.append(_distinct(begins.astype(np.int64) * messages + ends))
    edges = _distinct(np.concatenate(pairs))
    before, after = edges // messages, edges % messages
    # What is left by Kahn's algorithm in both directions is on a cycle or between two; mostly that is very little.
    follows_cycle = _left_by_kahn(before, after, messages)
    is_within = follows_cycle[before] & follows_cycle[after]
    before, after = before[is_within], after[is_within]
    backwards = np.argsort(after, kind="stable")
    is_left = follows_cycle & _left_by_kahn(after[backwards], before[backwards], messages)
    is_within = is_left[before] & is_left[after]
    numbers = np.flatnonzero(is_left)
    place_of = np.zeros(messages, np.int64)
    place_of[numbers] = np.arange(numbers.size)
    found: Numbers = np.zeros(messages, np.int32)
    found[numbers] = _tarjan(place_of[before[is_within]], place_of[after[is_within]], numbers.size)
    return found


def _tarjan(before: NDArray[np.int64], after: NDArray[np.int64], nodes: int) -> list[int]:
    """Return for each node the number of its component, from 1; 0 if it is alone.

    Args:
        before: shape (edges,), where each edge begins, in ascending order; no edge ends where it begins.
        after: shape (edges,), where it ends.
        nodes: how many nodes there are.
    """
    starts = np.searchsorted(before, np.arange(nodes + 1)).tolist()
    targets = after.tolist()
    next_edge = starts[:-1]
    met = [0] * nodes  # by node: as which it was met, from 1; 0 for not yet
    lowest = [0] * nodes  # by node: the earliest node of its component that is known to be reached from it
    component = [0] * nodes
    is_open = [False] * nodes  # whether it was met, and its component is not complete
    open_nodes: list[int] = []
    count = components_found = 0
    for root in range(nodes):
        path = [] if met[root] else [root]
        while path:
            node = path[-1]
            if not met[node]:
                count += 1
                met[node] = lowest[node] = count
                is_open[node] = True
                open_nodes.append(node)
            while next_edge[node] < starts[node + 1]:
                later = targets[next_edge[node]]
                if not met[later]:
                    path.append(later)  # this edge is looked at again when all that is reached by it is known
                    break
                if is_open[later]:
                    lowest[node] = min(lowest[node], lowest[later])
                next_edge[node] += 1
            else:
                path.pop()
                if lowest[node] == met[node]:
                    components_found += open_nodes[-1] != node
                    number = components_found if open_nodes[-1] != node else 0
                    member = -1
                    while member != node:
                        member = open_nodes.pop()
                        is_open[member] = False
                        component[member] = number
    return component


def _distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers = np.sort(numbers)
    return numbers[np.concatenate(([True], numbers[1:] != numbers[:-1]))] if numbers.size else numbers


def _left_by_kahn(before: NDArray[np.int64], after: NDArray[np.int64], messages: int) -> Mask:
    """Return which messages are on a cycle or after one; the edges are sorted by `before`."""
    starts = np.searchsorted(before, np.arange(messages + 1)).tolist()
    in_degrees = np.bincount(after, minlength=messages)
    ready = np.flatnonzero(in_degrees == 0).tolist()
    targets, in_degrees = after.tolist(), in_degrees.tolist()
    while ready:
        number = ready.pop()
        for later in targets[starts[number] : starts[number + 1]]:
            in_degrees[later] -= 1
            if not in_degrees[later]:
                ready.append(later)
    return np.asarray(in_degrees) > 0
