"""Whether one order explains what the members of a room received: texts, Joined, Left and Welcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from harness.conformance.api import Client, Violation
from spec.groupchat.membership import ReceivedText, everything_received
from spec.groupchat.messages import Joined, Left, Refused, Reply, Welcome


def must_have_one_order(clients: Sequence[Client]) -> None:
    """Check that one order of texts and notices explains what these clients, which are still in the room, received.

    A Welcome stands at the place of its client's own Joined: after the Joined of each name that it lists, and after
    the Left of each member that has left without the client having received its Joined or its name in the Welcome.
    No name may have been used twice.

    Raises:
        Violation: there is no such order; the message shows a cycle.
    """
    streams = {client: list(everything_received(client)) for client in clients}
    order: TopologicalSorter[object] = TopologicalSorter()
    for client, stream in streams.items():
        last: object = None
        known = {value.name for value in stream if isinstance(value, Joined)}
        departures = _departures_before_end(client, stream, streams.values())
        for value in stream:
            match value:
                case Refused():
                    continue
                case Welcome(names):
                    node: object = Joined(client.name or "")
                    order.add(node, *map(Joined, names))
                    unknown = (left for left in departures if left.name not in known and left.name not in names)
                    order.add(node, *(left for left in unknown if left.name != client.name))
                case ReceivedText():
                    node = value.number
                case _:
                    node = value
            if last is not None:
                order.add(node, last)
            last = node
    try:
        order.prepare()
    except CycleError as error:
        shown = ", ".join(f"message {node}" if isinstance(node, int) else repr(node) for node in error.args[1][:8])
        raise Violation(
            f"no single order explains what all clients received; each of these came before the next: {shown}"
        ) from None


def _departures_before_end(
    client: Client, stream: Sequence[Reply | ReceivedText], streams: Iterable[Sequence[Reply | ReceivedText]]
) -> set[Left]:
    """Return each Left that some client received before anything that `client` received too, or before its Joined.

    Any other Left proves nothing, because it may still be in transit to `client`.
    """
    ordered = (Joined, Left, ReceivedText)
    shared = {value for value in stream if isinstance(value, ordered)} | {Joined(client.name or "")}
    departures: set[Left] = set()
    for other in streams:
        places = [place for place, value in enumerate(other) if isinstance(value, ordered) and value in shared]
        departures.update(value for value in other[: max(places, default=0)] if isinstance(value, Left))
    return departures
