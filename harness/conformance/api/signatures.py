"""Who said it: the names under which messages were delivered, against those of the clients that sent them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.conformance.api.client import Client
from harness.history.fault import Fault, Sighting, where
from harness.history.record import Ledger, printable


def signatures(clients: Sequence[Client], ledger: Ledger) -> list[Fault]:
    """Return the fault that a message came under the name of somebody else than its sender, if one did.

    Of bodies that were sent several times nobody knows which was whose.
    """
    names = {one.number: one.name for one in clients}
    for one in clients:
        for event, told in one.signed:
            number = one.events[event]
            name = names.get(ledger.senders[number])
            if ledger.times_sent[number] == 1 and told != name:
                what = printable(ledger.bodies[number])
                seen = Sighting(one.number, "receive", what, one.offsets[event])
                sentence = f"{one} received {what}{where(seen)} as said by {told!r}, and {name!r} has said it"
                return [Fault("sender name", sentence, (one.number,), (what,), (seen,))]
    return []
