"""Says whether a history is lawful: nothing created, nothing twice, and one order for all, drops allowed.

A history is sequentially consistent exactly when a global order of all messages exists of which every
client's stream is a subsequence and in which every client's own events stand in its own order. With messages
told apart that needs no search: take an edge from each delivery to the next of the same client, from each
send to the next of the same sender, and from the last message received before a send to the one sent. The
history is lawful when these edges have no cycle, nobody received a message more often than it was sent, and
nobody heard its own message before sending it. Dropped messages make no edges and so break nothing.

A message that was sent several times can be received in as many places, and nobody can tell which of them was
which: of such messages only the number of copies is judged, and they tell nothing of order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.history.explain import explain, sight
from harness.history.fault import Fault, Sighting, shown, where
from harness.history.order import guess, suspects
from harness.history.record import History
from harness.history.views import Mask, Numbers, View, view
from harness.history.witnesses import Hop, fewest

__all__ = ["Fault", "Sighting", "judge"]


def judge(history: History) -> list[Fault]:
    """Return what is wrong with a history, one fault of a kind; [] when it is lawful.

    The order is judged by what is left without the messages that another fault tells of already.
    """
    times_sent = np.asarray(history.times_sent, dtype=np.int64)
    views, faults = _views(history, times_sent)
    order = guess(views, times_sent.size)
    doubtful = suspects(views, order)
    if doubtful.size:
        inside = np.zeros(times_sent.size, dtype=bool)
        inside[doubtful] = True
        rank = np.zeros(times_sent.size, np.int32)
        rank[doubtful] = np.arange(doubtful.size, dtype=np.int32)
        views = [one.only(inside) for one in views]
        cycle = fewest([one.renamed(rank) for one in views], doubtful.size)
        if cycle:
            cycle = [Hop(hop.place, int(doubtful[hop.before]), int(doubtful[hop.after])) for hop in cycle]
            faults.append(explain(history, views, cycle))
    return faults


def _views(history: History, times_sent: NDArray[np.int64]) -> tuple[list[View], list[Fault]]:
    """Return what tells of the order, each message once, and the faults that can be seen in one client alone."""
    once: Mask = times_sent == 1
    everything_once = bool(once.all())
    place_of = np.zeros(times_sent.size, np.int32)  # in the line that was looked at last; elsewhere anything
    views: list[View] = []
    created: list[tuple[int, int]] = []
    copied: list[tuple[int, int]] = []
    early: list[tuple[int, int]] = []
    for place, events in enumerate(history.events):
        one = view(events)
        distinct = _distinct(one.heard, place_of)
        if not distinct:
            numbers, counts = np.unique(one.heard, return_counts=True)
            surplus = numbers[(counts > times_sent[numbers]) & (times_sent[numbers] > 0)]
            copied += [(place, int(number)) for number in surplus]
        if not everything_once:
            created += [(place, int(number)) for number in np.unique(one.heard[times_sent[one.heard] == 0])]
            one = one.only(once)
        if not distinct:
            one = one.kept(_first_of_each(one.heard), np.ones(one.said.size, dtype=bool))
        if one.said.size and one.heard.size:
            own = _heard_before_sent(one, place_of)
            early += [(place, int(number)) for number in one.said[own]]
            one = one.kept(~np.isin(one.heard, one.said[own]), np.ones(one.said.size, dtype=bool)) if own.any() else one
        views.append(one)
    faults = [
        told(history, found) for told, found in ((_created, created), (_copied, copied), (_early, early)) if found
    ]
    return views, faults


def _distinct(line: Numbers, place_of: Numbers) -> bool:
    """Return whether no message stands twice in a line; note the place of each."""
    places = np.arange(line.size, dtype=np.int32)
    place_of[line] = places
    return bool((place_of[line] == places).all())


def _first_of_each(line: Numbers) -> Mask:
    kept = np.zeros(line.size, dtype=bool)
    kept[np.unique(line, return_index=True)[1]] = True
    return kept


def _heard_before_sent(one: View, place_of: Numbers) -> Mask:
    """Return for each message that a client sent whether it had received it by then."""
    _distinct(one.heard, place_of)
    places = np.minimum(place_of[one.said], one.heard.size - 1)
    own: Mask = (one.heard[places] == one.said) & (places < one.known)
    return own


def _created(history: History, found: Sequence[tuple[int, int]]) -> Fault:
    place, number = found[0]
    _, seen = sight(history, place, "receive", number)
    said = f"client {seen.client} received {shown(seen.message)}{where(seen)}, which nobody has sent"
    return _alone("created", said, found, [seen])


def _copied(history: History, found: Sequence[tuple[int, int]]) -> Fault:
    place, number = found[0]
    copies = int((np.asarray(history.events[place]) == number).sum())
    # As many as were sent, and the one that is too many.
    seen = [sight(history, place, "receive", number, again)[1] for again in range(history.times_sent[number] + 1)]
    said = (
        f"client {seen[0].client} received message {shown(seen[0].message)} {copies} times"
        f"{where(seen[-1])}; it was sent {_times(history.times_sent[number])}"
    )
    return _alone("duplicated", said, found, seen)


def _early(history: History, found: Sequence[tuple[int, int]]) -> Fault:
    place, number = found[0]
    _, heard = sight(history, place, "receive", number)
    _, said = sight(history, place, "send", number)
    own = f"client {said.client} received its own message {shown(said.message)}{where(heard)}"
    return _alone("heard before sent", f"{own} before it sent it{where(said)}", found, [heard, said])


def _alone(kind: str, sentence: str, found: Sequence[tuple[int, int]], seen: Sequence[Sighting]) -> Fault:
    if len(found) > 1:
        sentence += f" ({len(found):,} deliveries like that)"
    return Fault(kind, sentence, (seen[0].client,), (seen[0].message,), tuple(seen))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
