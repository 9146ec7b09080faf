"""Decides whether a history is lawful: nothing created, nothing duplicated, one order for all clients; drops allowed.

A history is sequentially consistent exactly when there is a global order of all messages such that every client's
stream is a subsequence of it and every client's own events keep their order in it. Because messages can be
distinguished, this needs no search. There is an edge from each delivery to the next delivery of the same client, from
each send to the next send of the same client, and from the last message received before a send to the message sent.
The history is lawful when these edges have no cycle, no client received a message more often than it was sent, and
no client received its own message before sending it. A dropped message makes no edge, so it breaks nothing.

A message that was sent several times can be received in as many places, and the copies cannot be distinguished. When
all other messages fit one order, a search decides about the copies (`harness.history.equal_messages`); it is limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.equal_messages import as_sent, explain_part, find_contradiction, puzzle_of
from harness.history.explain import explain, observe, observe_at
from harness.history.fault import Fault, Observation, display_name, location_note, times
from harness.history.order import guess_order, suspect_messages
from harness.history.record import History
from harness.history.views import EMPTY_VIEW, Mask, Numbers, View, view_of
from harness.history.witnesses import Edge, smallest_cycle

__all__ = ["Fault", "Judgement", "Observation", "decide", "judge"]

PATIENT_BUDGET = 10_000_000  # about ten seconds of search, twenty in a history of as many events
MOST_COPIES = 5  # of a message that are shown
QUICK_BUDGET = 200_000  # for the many histories of a check: a fraction of a second


class Occurrence(NamedTuple):
    """A fault of a single client with a single message.

    Attributes:
        client_index: which of the history's clients.
        number: the number of the message.
        deliveries: how many deliveries are wrong; of a message received too often, those above what was sent.
    """

    client_index: int
    number: int
    deliveries: int


@dataclass(frozen=True)
class Judgement:
    """What is known of a history.

    Attributes:
        faults: what no conforming server does, at most one fault of each kind.
        undecided: how many messages have equal text, if that leaves it open whether one order fits; else 0.
    """

    faults: list[Fault]
    undecided: int = 0


def judge(history: History, equal_budget: int = QUICK_BUDGET) -> list[Fault]:
    """Return the faults of a history, at most one of each kind; [] when it is lawful or cannot be decided.

    Args:
        history: the history.
        equal_budget: the most events to look at in order to decide about messages with equal text.
    """
    return decide(history, equal_budget).faults


def decide(history: History, equal_budget: int = PATIENT_BUDGET) -> Judgement:
    """Decide whether a history is lawful.

    The order is judged without the messages that another fault already reports; that of messages with equal text only
    if there is no other fault.

    Args:
        history: the history.
        equal_budget: the most events to look at in order to decide about messages with equal text.
    """
    send_counts = np.asarray(history.send_counts, dtype=np.int64)
    views, faults = _views(history, send_counts)
    order = guess_order(views, send_counts.size)
    faults += _order_faults(history, views, order, send_counts)
    if faults or not (send_counts > 1).any():
        return Judgement(faults)
    return _judge_equal(history, order, send_counts, equal_budget)


def _judge_equal(history: History, order: Numbers, send_counts: NDArray[np.int64], budget: int) -> Judgement:
    """Decide about a history whose messages with a text of their own fit one order.

    Args:
        history: the history.
        order: an order of all messages, with those that have copies anywhere.
        send_counts: shape (messages,), how often each message was sent.
        budget: the most events to look at.
    """
    is_received: Mask = np.zeros(send_counts.size, dtype=bool)
    for events in history.events:
        codes = np.asarray(events, dtype=np.int64)
        is_received[codes[codes >= 0]] = True
    equal = int(send_counts[(send_counts > 1) & is_received].sum())
    if not equal:
        return Judgement([])
    if sum(map(len, history.events)) > budget:
        return Judgement([], equal)
    is_lawful, part = find_contradiction(puzzle_of(history, is_received), budget, order)
    if is_lawful is False:
        return Judgement([explain_part(history, part, judge(as_sent(part))[-1].kind)])
    return Judgement([], 0 if is_lawful else equal)


def _order_faults(history: History, views: list[View], order: Numbers, send_counts: NDArray[np.int64]) -> list[Fault]:
    """Return the fault that no order fits the messages with a text of their own, or [].

    Args:
        history: what all clients did.
        views: one for each client, of these messages only.
        order: a guessed order of all messages.
        send_counts: shape (messages,), how often each message was sent.
    """
    suspects = suspect_messages(views, order)
    if suspects.size:
        is_suspect = np.zeros(send_counts.size, dtype=bool)
        is_suspect[suspects] = True
        rank = np.zeros(send_counts.size, np.int32)
        rank[suspects] = np.arange(suspects.size, dtype=np.int32)
        views = [view.restricted_to(is_suspect) for view in views]
        cycle = smallest_cycle(
            [view.renumbered(rank) if view.size > 1 else EMPTY_VIEW for view in views], suspects.size
        )
        if cycle:
            cycle = [Edge(edge.client_index, int(suspects[edge.before]), int(suspects[edge.after])) for edge in cycle]
            return [explain(history, views, cycle)]
    return []


def _views(history: History, send_counts: NDArray[np.int64]) -> tuple[list[View], list[Fault]]:
    """Return the views that the order is judged by, each message once, and the faults of single clients.

    Args:
        history: what all clients did.
        send_counts: shape (messages,), how often each message was sent.
    """
    sent_once: Mask = send_counts == 1
    all_sent_once = bool(sent_once.all())
    place_of = np.zeros(send_counts.size, np.int32)  # scratch: by message, its place in the line looked at last
    views: list[View] = []
    created: list[Occurrence] = []
    duplicated: list[Occurrence] = []
    early: list[Occurrence] = []
    for client_index, events in enumerate(history.events):
        if len(events) == 1 and events[0] < 0:
            views.append(EMPTY_VIEW)  # a single message that was sent says nothing about order
            continue
        view = view_of(events)
        is_distinct = _distinct(view.received, place_of)
        if not is_distinct:
            numbers, counts = np.unique(view.received, return_counts=True)
            sent = send_counts[numbers]
            is_surplus = (counts > sent) & (sent > 0)
            surplus = numbers[is_surplus], (counts - sent)[is_surplus]
            duplicated += [
                Occurrence(client_index, int(number), int(count)) for number, count in zip(*surplus, strict=True)
            ]
        if not all_sent_once:
            never_sent = np.unique(view.received[send_counts[view.received] == 0], return_counts=True)
            created += [
                Occurrence(client_index, int(number), int(count)) for number, count in zip(*never_sent, strict=True)
            ]
            view = view.restricted_to(sent_once)
        if not is_distinct:
            view = view.select(_first_of_each(view.received), np.ones(view.sent.size, dtype=bool))
        if view.sent.size and view.received.size:
            is_early = _received_before_sent(view, place_of)
            if is_early.any():
                early_numbers = view.sent[is_early]
                early += [Occurrence(client_index, int(number), 1) for number in early_numbers]
                view = view.select(~np.isin(view.received, early_numbers), np.ones(view.sent.size, dtype=bool))
        views.append(view)
    faults = []
    for describe, occurrences in ((_created, created), (_duplicated, duplicated), (_early, early)):
        if occurrences:
            faults.append(describe(history, occurrences))
    return views, faults


def _distinct(line: Numbers, place_of: Numbers) -> bool:
    """Return whether no message is in a line twice; write the place of each message into `place_of`."""
    places = np.arange(line.size, dtype=np.int32)
    place_of[line] = places
    return bool((place_of[line] == places).all())


def _first_of_each(line: Numbers) -> Mask:
    """Return for each place in a line whether its message is there for the first time."""
    is_first = np.zeros(line.size, dtype=bool)
    is_first[np.unique(line, return_index=True)[1]] = True
    return is_first


def _received_before_sent(view: View, place_of: Numbers) -> Mask:
    """Return for each message that a client sent whether it had already received it by then."""
    _distinct(view.received, place_of)
    places = np.minimum(place_of[view.sent], view.received.size - 1)
    is_early: Mask = (view.received[places] == view.sent) & (places < view.received_before_send)
    return is_early


def _created(history: History, occurrences: Sequence[Occurrence]) -> Fault:
    client_index, number, _ = occurrences[0]
    _, delivery = observe(history, client_index, "receive", number)
    sentence = (
        f"client {delivery.client} received {display_name(delivery.message)}{location_note(delivery)}, "
        "which no client has sent"
    )
    return _single_client_fault("created", sentence, occurrences, [delivery])


def _duplicated(history: History, occurrences: Sequence[Occurrence]) -> Fault:
    client_index, number, _ = occurrences[0]
    places = np.flatnonzero(np.asarray(history.events[client_index]) == number)
    copies, sent = places.size, history.send_counts[number]
    # As many deliveries as it was sent times, or the first of them, and the first surplus one.
    shown = [*range(min(sent, MOST_COPIES)), sent]
    deliveries = [observe_at(history, client_index, int(places[place]), "receive", number) for place in shown]
    sentence = (
        f"client {deliveries[0].client} received message {display_name(deliveries[0].message)} {copies:,} times"
        f"{location_note(deliveries[-1])}; it was sent {times(sent)}"
    )
    return _single_client_fault("duplicated", sentence, occurrences, deliveries)


def _early(history: History, occurrences: Sequence[Occurrence]) -> Fault:
    client_index, number, _ = occurrences[0]
    _, delivery = observe(history, client_index, "receive", number)
    _, sending = observe(history, client_index, "send", number)
    sentence = (
        f"client {sending.client} received its own message {display_name(sending.message)}{location_note(delivery)} "
        f"before it sent it{location_note(sending)}"
    )
    return _single_client_fault("received before sent", sentence, occurrences, [delivery, sending])


def _single_client_fault(
    kind: str, sentence: str, occurrences: Sequence[Occurrence], observations: Sequence[Observation]
) -> Fault:
    deliveries = sum(occurrence.deliveries for occurrence in occurrences)
    if deliveries > 1:
        sentence += f" ({deliveries:,} such deliveries)"
    return Fault(kind, sentence, (observations[0].client,), (observations[0].message,), tuple(observations))
