"""Finds the fewest witnesses that contradict each other: a shortest cycle, told hop by hop.

A hop is "this client put a before b", at any distance in its events. The search is breadth-first with hops for
steps, so that one testimony may leap over any number of messages; it begins wherever a client runs against the
guessed order, for some hop of every cycle must. It ends at two hops, the fewest there can be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history.order import on_cycles
from harness.history.views import NOTHING, Mask, Numbers, View

FIRST_LOOK = 256  # messages that are looked at before all others: most faults show at once
FURTHER = 16  # times as many at each further look
PATIENCE = 500_000_000  # events looked at for a shorter cycle than the one that was found
A_LOOK = 500  # what looking at a client costs beside its events
SETS_TRIED = 3000


@dataclass(frozen=True)
class Hop:
    """One client put one message before another.

    Attributes:
        place: of the client among the views.
    """

    place: int
    before: int
    after: int


def fewest(views: Sequence[View], messages: int) -> list[Hop]:
    """Return a cycle of as few clients, and then as few hops, as there are; [] when there is none.

    Each hop begins where the last one ended, and so does the first.

    Args:
        views: of clients, with messages numbered in the order that was guessed.
        messages: how many there are.

    A history with thousands of contradictions, none of them between two clients, is searched only so far: what
    is returned then is a cycle, and perhaps not one of the fewest.
    """
    if found := _alone(views, messages):
        return found
    cycle, on_cycle = _shortest(views, messages)
    return _of_fewer(cycle, on_cycle) if len(cycle) > 2 else cycle


def _alone(views: Sequence[View], messages: int) -> list[Hop]:
    """Return the contradiction of a client that heard its own messages in another order than it said them."""
    turn = np.zeros(messages, np.int32)  # in what was said by the client that was looked at last
    for place, view in enumerate(views):
        if view.said.size > 1:
            turn[view.said] = np.arange(view.said.size, dtype=np.int32)
            turns = np.minimum(turn[view.heard], view.said.size - 1)
            turns = turns[view.said[turns] == view.heard]
            falls = np.flatnonzero(turns[:-1] > turns[1:])
            if falls.size:
                late, early = (int(view.said[turns[falls[0] + step]]) for step in (0, 1))
                return [Hop(place, early, late), Hop(place, late, early)]
    return []


def _shortest(views: Sequence[View], messages: int) -> tuple[list[Hop], list[View]]:
    """Return a cycle of as few hops as there are, and what the clients did with all messages that are on cycles."""
    best: list[Hop] = []
    window, patience = FIRST_LOOK, PATIENCE
    while True:
        window = min(window, messages)
        wanted = np.arange(messages) < window
        near = [view.only(wanted) for view in views]
        core = on_cycles(near, window)
        near = [view.only(core) for view in near]
        cost = sum(view.heard.size + view.said.size + A_LOOK for view in near)
        for place, earlier, later in _cuts(near):
            found, levels = _search(near, window, place, earlier, later, len(best) - 1 if best else window)
            patience -= levels * cost
            best = found or best
            if len(best) == 2 or (best and patience < 0):
                return best, near
        if window == messages:
            return best, near
        window *= FURTHER


def _of_fewer(cycle: list[Hop], views: Sequence[View]) -> list[Hop]:
    """Return a cycle of fewer clients than a shortest one, where there is one, and few enough sets to try.

    It has more hops than clients: somebody testifies twice, to what it said and to what it heard.
    """
    left = np.unique(np.concatenate([numbers for view in views for numbers in (view.heard, view.said)]))
    views = [view.renamed(np.searchsorted(left, np.arange(left[-1] + 1)).astype(np.int32)) for view in views]
    twice = {place for place, view in enumerate(views) if view.said.size > 1 and view.heard.size}
    able = [place for place, view in enumerate(views) if view.heard.size + view.said.size > 1]
    for count in range((len(cycle) + 1) // 2, len({hop.place for hop in cycle})):
        if not twice or math.comb(len(able), count) > SETS_TRIED:
            break
        for some in itertools.combinations(able, count):
            if not twice.isdisjoint(some):
                found, _ = _shortest(
                    [view if place in some else NOTHING for place, view in enumerate(views)], left.size
                )
                if found:
                    return [Hop(hop.place, int(left[hop.before]), int(left[hop.after])) for hop in found]
    return cycle


def _cuts(views: Sequence[View]) -> Iterator[tuple[int, Numbers, Numbers]]:
    """Yield where a client runs against the order, the earliest first: its place, what it puts before, and what after.

    Whatever stands in the one list comes before whatever stands in the other, for this client.
    """
    keys: list[Numbers] = []
    cuts: list[NDArray[np.int64]] = []  # rows of place, cut in what it heard, cut in what it said; one of them is -1
    for place, view in enumerate(views):
        heard, said, known = view.heard, view.said, view.known
        falls = np.flatnonzero(heard[:-1] > heard[1:]) + 1
        answers = np.flatnonzero(known > 0)
        answers = answers[heard[known[answers] - 1] > said[answers]]
        said_falls = np.flatnonzero(said[:-1] > said[1:]) + 1
        keys += [heard[falls], said[answers], said[said_falls]]
        for heard_cut, said_cut in ((falls, -1), (known[answers], -1), (-1, said_falls)):
            cuts.append(np.stack(np.broadcast_arrays(place, heard_cut, said_cut), axis=1))
    for place, heard_cut, said_cut in np.concatenate(cuts)[np.argsort(np.concatenate(keys), kind="stable")].tolist():
        view = views[place]
        if said_cut < 0:
            later = np.concatenate((view.heard[heard_cut:], view.said[view.known >= heard_cut]))
            yield place, view.heard[:heard_cut], later
        else:
            earlier = np.concatenate((view.heard[: view.known[said_cut - 1]], view.said[:said_cut]))
            yield place, earlier, view.said[said_cut:]


def _search(
    views: Sequence[View], messages: int, first: int, earlier: Numbers, later: Numbers, limit: int
) -> tuple[list[Hop], int]:
    """Return a shortest cycle, of at most `limit` hops, whose first leads from `earlier` to `later`
    through the client `first`; and how many hops were looked at."""
    reached = np.zeros(messages, dtype=bool)
    reached[later] = True
    came = np.full(messages, -1, np.int32)
    through = np.full(messages, -1, np.int32)
    for hops in range(2, limit + 1):
        so_far = reached.copy()
        for place, view in enumerate(views):
            before, after = _next(view, so_far)
            new = ~reached[after]
            if new.any():
                before, after = before[new], after[new]
                came[after], through[after], reached[after] = before, place, True
        home = earlier[reached[earlier]]
        if home.size:
            return _cycle(first, int(home[-1]), came, through), hops
        if (reached == so_far).all():
            return [], hops
    return [], limit


def _next(view: View, reached: Mask) -> tuple[Numbers, Numbers]:
    """Return what one hop through a client leads to: for each message after one reached, the nearest such, and it."""
    latest = _latest(view.heard, reached)
    before, after = [latest[:-1]], [view.heard]
    if view.said.size:
        before += [_latest(view.said, reached)[:-1], latest[view.known]]
        after += [view.said, view.said]
    froms, tos = np.concatenate(before), np.concatenate(after)
    return froms[froms >= 0], tos[froms >= 0]


def _latest(line: Numbers, reached: Mask) -> Numbers:
    """Return, for each place in a line and its end, the nearest message before it that is reached; -1 for none."""
    places = np.maximum.accumulate(np.where(reached[line], np.arange(line.size), -1)) if line.size else line
    return np.concatenate(([-1], np.where(places >= 0, line[places], -1) if line.size else line)).astype(np.int32)


def _cycle(place: int, home: int, came: Numbers, through: Numbers) -> list[Hop]:
    hops, at = [], home
    while came[at] >= 0:
        hops.append(Hop(int(through[at]), int(came[at]), at))
        at = int(came[at])
    return [Hop(place, home, at), *reversed(hops)]
