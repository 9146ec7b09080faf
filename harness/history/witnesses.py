"""Finds the smallest set of clients that contradict each other, as a shortest cycle of edges.

An edge says "this client put a before b", at any distance in its events. The search is breadth-first over edges, so
that a single edge may span any number of messages. It starts wherever a client's events contradict the guessed order
within a strongly connected component: every cycle has an edge that does, and every such edge is on a cycle, so that no
search is in vain. It stops at a cycle of two edges: there is none shorter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history.components import components
from harness.history.frontier import Frontier
from harness.history.views import Mask, Numbers, View

FIRST_PREFIX = 256  # messages that are searched first: most faults show at once
PREFIX_GROWTH = 16  # each further search takes so many times as many
SEARCH_BUDGET = 500_000_000  # events to look at for a shorter cycle than the one already found
CLIENT_COST = 500  # what a client costs a search in addition to its events, in events
FRONTIER_COST = 2500  # what looking at an event costs in a search that keeps a frontier
MANY_VIEWS = 500  # above which it is cheaper too
SHORT_LINE = 16  # messages that a client received on average, below which such a search is cheaper
SETS_TRIED = 3000
SETS_BUDGET = 250_000_000  # events to look at in all of these: some seconds
# What a set costs before it is searched: at all, for every message of any set, and for each event of its own.
SET_COST, SET_MESSAGE_COST, SET_EVENT_COST = 40_000, 20, 10
MOST_CANDIDATES = 64  # clients among which smaller sets are tried

Cuts = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Edge:
    """One client put one message before another.

    Attributes:
        client_index: which of the views is the client's.
        before: the number of the earlier message.
        after: the number of the later message.
    """

    client_index: int
    before: int
    after: int


def smallest_cycle(views: Sequence[View], messages: int) -> list[Edge]:
    """Return a cycle that involves as few clients, and among these as few edges, as possible; [] if there is none.

    Each edge begins at the message where the previous one ended, and the first where the last one ended.

    In a history with thousands of contradictions, none of them between two clients, the search is limited: it then
    returns a cycle that may not be the smallest.

    Args:
        views: one for each client, with messages numbered in the guessed order.
        messages: how many messages there are.
    """
    if contradiction := _by_one_client(views, messages):
        return contradiction
    cycle, cyclic_views, _ = _shortest(views, messages, SEARCH_BUDGET)
    return _with_fewer_clients(cycle, cyclic_views) if len(cycle) > 2 else cycle


def _by_one_client(views: Sequence[View], messages: int) -> list[Edge]:
    """Return the contradiction of a client that received its own messages in another order than it sent them."""
    place_of = np.zeros(messages, np.int32)  # scratch: by message, its place in `sent` of the client looked at last
    for client_index, view in enumerate(views):
        if view.sent.size > 1:
            place_of[view.sent] = np.arange(view.sent.size, dtype=np.int32)
            places = np.minimum(place_of[view.received], view.sent.size - 1)
            places = places[view.sent[places] == view.received]  # of its own messages, as it received them
            inversions = np.flatnonzero(places[:-1] > places[1:])
            if inversions.size:
                late, early = (int(view.sent[places[inversions[0] + step]]) for step in (0, 1))
                return [Edge(client_index, early, late), Edge(client_index, late, early)]
    return []


def _shortest(views: Sequence[View], messages: int, budget: int) -> tuple[list[Edge], Sequence[View], int]:
    """Return a cycle of as few edges as possible, the views of the messages that are on cycles, and what it cost.

    Messages beyond a prefix of the guessed order are searched only when the prefix has no cycle of two edges.

    Args:
        views: one for each client.
        messages: how many messages there are.
        budget: the most events to look at for a shorter cycle than the first one; where it ends, the best is returned.
    """
    best: list[Edge] = []
    has_short_lines = sum(view.received.size for view in views) < SHORT_LINE * len(views) or len(views) > MANY_VIEWS
    prefix, cost = (messages if has_short_lines else FIRST_PREFIX), 0
    while True:
        prefix = min(prefix, messages)
        cyclic = _restricted(views, np.arange(messages) < prefix)
        component_of = components(cyclic, prefix)
        cyclic = _restricted(cyclic, component_of > 0)
        search = _FrontierSearch(cyclic, prefix) if has_short_lines else _LevelSearch(cyclic, prefix)
        for client_index, earlier, later in _inversions(cyclic, component_of):
            limit = len(best) - 1 if best else prefix
            best = search.cycle(client_index, earlier, later, limit) or best
            if len(best) == 2 or (best and cost + search.cost > budget):
                return best, cyclic, cost + search.cost
        cost += search.cost
        if prefix == messages:
            return best, cyclic, cost
        prefix *= PREFIX_GROWTH


def _restricted(views: Sequence[View], wanted: Mask) -> Sequence[View]:
    return views if wanted.all() else [view.restricted_to(wanted) for view in views]


def _with_fewer_clients(cycle: list[Edge], views: Sequence[View]) -> list[Edge]:
    """Return a cycle of fewer clients than a shortest one, if one is found: few and small sets of clients are tried.

    Such a cycle has more edges than clients: at least one client contributes two.
    """
    # Clients that can contribute two edges, and those that can contribute any.
    with_two = {index for index, view in enumerate(views) if view.sent.size > 1 and view.received.size}
    candidates = [index for index, view in enumerate(views) if view.size > 1]
    if not with_two or len(candidates) > MOST_CANDIDATES:
        return cycle
    numbers = np.unique(np.concatenate([line for view in views for line in (view.received, view.sent)]))
    new_numbers = np.searchsorted(numbers, np.arange(numbers[-1] + 1)).astype(np.int32)
    views = [view.renumbered(new_numbers) for view in views]
    budget = SETS_BUDGET
    for count in range((len(cycle) + 1) // 2, len({edge.client_index for edge in cycle})):
        if math.comb(len(candidates), count) > SETS_TRIED:
            break
        for subset in itertools.combinations(candidates, count):
            if with_two.isdisjoint(subset):
                continue
            its_views = [views[index] for index in subset]
            budget -= SET_COST + SET_MESSAGE_COST * numbers.size + SET_EVENT_COST * sum(view.size for view in its_views)
            if budget < 0:
                return cycle
            smaller, _, cost = _shortest(its_views, numbers.size, budget)
            budget -= cost
            if smaller:
                return [
                    Edge(subset[edge.client_index], int(numbers[edge.before]), int(numbers[edge.after]))
                    for edge in smaller
                ]
    return cycle


def _inversions(views: Sequence[View], component_of: Numbers) -> Iterator[tuple[int, Numbers, Numbers]]:
    """Yield where a client contradicts the guessed order, earliest message first: the client, and two arrays.

    For this client every message of the first array comes before every message of the second. Only neighbours of one
    component are looked at. An edge within a component consists of such neighbours, so every cycle has some that
    contradict the order; and a path leads from the later to the earlier one, so each that does is on a cycle.

    Args:
        views: one for each client.
        component_of: shape (messages,), for each message the number of its component.
    """

    def contradict(before: Numbers, after: Numbers) -> Mask:
        is_inversion: Mask = (before > after) & (component_of[before] == component_of[after])
        return is_inversion

    keys: list[Numbers] = []
    # By cut: the client, the cut in what it received, and the cut in what it sent; one of the cuts is -1.
    clients: list[Cuts] = []
    received_cuts: list[Cuts] = []
    sent_cuts: list[Cuts] = []

    for client_index, view in enumerate(views):
        received, sent, counts = view.received, view.sent, view.received_before_send
        # The messages after each cut; the cuts in what was received; those in what was sent.
        found: list[tuple[Numbers, Cuts | None, Cuts | None]] = []
        if received.size > 1:
            cuts = np.flatnonzero(contradict(received[:-1], received[1:])) + 1
            found.append((received[cuts], cuts, None))
        if sent.size:
            answers = np.flatnonzero(counts > 0)
            answers = answers[contradict(received[counts[answers] - 1], sent[answers])]
            cuts = np.flatnonzero(contradict(sent[:-1], sent[1:])) + 1
            found += [(sent[answers], counts[answers], None), (sent[cuts], None, cuts)]
        for after, in_received, in_sent in found:
            if after.size:
                nowhere = np.full(after.size, -1)
                keys.append(after)
                clients.append(np.full(after.size, client_index))
                received_cuts.append(nowhere if in_received is None else in_received)
                sent_cuts.append(nowhere if in_sent is None else in_sent)
    if not keys:
        return
    earliest_first = np.argsort(np.concatenate(keys), kind="stable")
    columns = (np.concatenate(column)[earliest_first].tolist() for column in (clients, received_cuts, sent_cuts))
    in_order = zip(*columns, strict=True)
    for client_index, received_cut, sent_cut in in_order:
        view = views[client_index]
        if sent_cut < 0:
            later = np.concatenate((view.received[received_cut:], view.sent[view.received_before_send >= received_cut]))
            yield client_index, view.received[:received_cut], later
        else:
            received_count = view.received_before_send[sent_cut - 1]
            earlier = np.concatenate((view.received[:received_count], view.sent[:sent_cut]))
            yield client_index, earlier, view.sent[sent_cut:]


class _FrontierSearch:
    """Searches for cycles in histories of many clients with few events each.

    Attributes:
        cost: what the searches have cost so far.
    """

    def __init__(self, views: Sequence[View], messages: int) -> None:
        self._frontier = Frontier(views, messages)

    @property
    def cost(self) -> int:
        return self._frontier.looked_at * FRONTIER_COST

    def cycle(self, client_index: int, earlier: Numbers, later: Numbers, limit: int) -> list[Edge]:
        """Return a shortest cycle through a given inversion, [] if there is none.

        Args:
            client_index: the client that has the inversion; the cycle's first edge is this client's.
            earlier: shape (any,), messages at which the first edge may begin.
            later: shape (any,), messages at which the first edge may end.
            limit: the most edges that the cycle may have.
        """
        edges = [Edge(*edge) for edge in self._frontier.search(earlier, later, limit - 1)]
        return [Edge(client_index, edges[-1].after, edges[0].before), *edges] if edges else []


class _LevelSearch:
    """Searches for cycles in histories of few clients with many events each: every step looks at all events.

    Attributes:
        cost: what the searches have cost so far.
    """

    def __init__(self, views: Sequence[View], messages: int) -> None:
        self.cost = 0
        self._views, self._messages = views, messages
        self._level_cost = sum(view.size + CLIENT_COST for view in views)

    def cycle(self, client_index: int, earlier: Numbers, later: Numbers, limit: int) -> list[Edge]:
        """Return a shortest cycle through a given inversion, [] if there is none.

        Args:
            client_index: the client that has the inversion; the cycle's first edge is this client's.
            earlier: shape (any,), messages at which the first edge may begin.
            later: shape (any,), messages at which the first edge may end.
            limit: the most edges that the cycle may have.
        """
        is_reached = np.zeros(self._messages, dtype=bool)
        is_reached[later] = True
        predecessor = np.full(self._messages, -1, np.int32)  # by message: the one from which it was reached
        through = np.full(self._messages, -1, np.int32)  # by message: the client whose edge led to it
        for _ in range(2, limit + 1):
            self.cost += self._level_cost
            reached_before = is_reached.copy()
            for index, view in enumerate(self._views):
                before, after = _one_edge_further(view, reached_before)
                is_new = ~is_reached[after]
                if is_new.any():
                    before, after = before[is_new], after[is_new]
                    predecessor[after], through[after], is_reached[after] = before, index, True
            closing = earlier[is_reached[earlier]]
            if closing.size:
                return _cycle(client_index, int(closing[-1]), predecessor, through)
            if (is_reached == reached_before).all():
                break
        return []


def _one_edge_further(view: View, is_reached: Mask) -> tuple[Numbers, Numbers]:
    """Return the edges of a client that leave a reached message: two arrays, where each begins and where it ends.

    Each edge begins at the nearest reached message before its end.
    """
    latest = _latest_reached(view.received, is_reached)
    before, after = [latest[:-1]], [view.received]
    if view.sent.size:
        before += [_latest_reached(view.sent, is_reached)[:-1], latest[view.received_before_send]]
        after += [view.sent, view.sent]
    begins, ends = np.concatenate(before), np.concatenate(after)
    return begins[begins >= 0], ends[begins >= 0]


def _latest_reached(line: Numbers, is_reached: Mask) -> Numbers:
    """Return, for each place in a line and for its end, the nearest reached message before it; -1 for none."""
    if not line.size:
        return np.full(1, -1, np.int32)
    places = np.maximum.accumulate(np.where(is_reached[line], np.arange(line.size), -1))
    return np.concatenate(([-1], np.where(places >= 0, line[places], -1))).astype(np.int32)


def _cycle(client_index: int, start: int, predecessor: Numbers, through: Numbers) -> list[Edge]:
    """Return the cycle that a search closed, from the message at which its first edge begins."""
    edges, message = [], start
    while predecessor[message] >= 0:
        edges.append(Edge(int(through[message]), int(predecessor[message]), message))
        message = int(predecessor[message])
    return [Edge(client_index, start, message), *reversed(edges)]
