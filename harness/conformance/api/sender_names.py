"""The sender names under which messages were delivered, against the names of the clients that sent them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.conformance.api.client import Client
from harness.history.fault import Fault, Observation, location_note
from harness.history.record import MessageRegistry, printable


def wrong_names(clients: Sequence[Client], messages: MessageRegistry) -> list[Fault]:
    """Return the fault that a message arrived under another name than its sender's, or nothing.

    Messages whose body was sent several times are skipped: it is unknown which copy is from whom.
    """
    names = {client.number: client.name for client in clients}
    for client in clients:
        for event, received_name in client.sender_names:
            number = client.events[event]
            name = names.get(messages.senders[number])
            if messages.send_counts[number] == 1 and received_name != name:
                body = printable(messages.bodies[number])
                seen = Observation(client.number, "receive", body, client.offsets[event])
                sentence = (
                    f"{client} received {body}{location_note(seen)} as sent by {received_name!r}, but {name!r} sent it"
                )
                return [Fault("sender name", sentence, (client.number,), (body,), (seen,))]
    return []
