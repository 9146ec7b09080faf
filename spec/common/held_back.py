"""The last thing sent, and then silence: is a message delivered although nothing else happens?

A barrier cannot ask that, because it is itself something else that happens. So a case sends, waits in silence, and
only then sends something else. A message that arrives in the silence is delivered; one that never arrives was lost,
which is allowed; one that arrives with what is sent afterwards is suspicious. Then the case asks again, with a
silence so long that no server is that slow.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import anyio

from harness.conformance.api import Client, Room, Violation

SILENCE_S = 0.7  # after which it is worth while to find out whether a message was lost or is held back
LONG_SILENCE_S = 20.0  # without any event; no conforming server is that slow
ATTEMPTS = 2  # of each occasion


@dataclass(frozen=True)
class Sent:
    """What was sent on an occasion.

    Attributes:
        numbers: the messages.
        receivers: the clients that should receive them.
        senders: the clients that sent them.
    """

    numbers: Sequence[int]
    receivers: Sequence[Client]
    senders: Sequence[Client] = ()

    def missing(self) -> list[tuple[Client, int]]:
        """Return which receivers, of those that are connected, have not received which messages."""
        return [
            (client, number)
            for client in self.receivers
            if not client.closed
            for number in set(self.numbers).difference(client.received)
        ]


async def must_not_hold_back(room: Room, witness: Client, what: str, occasion: Callable[[], Awaitable[Sent]]) -> None:
    """Raise Violation when messages of an occasion arrive only after something else was sent.

    Args:
        room: the server and its clients.
        witness: sends something else after the silence.
        what: the occasion, for people.
        occasion: sends messages.
    """
    for _ in range(ATTEMPTS):
        for silence_s in (SILENCE_S, LONG_SILENCE_S):
            sent = await occasion()
            missing = await _missing_after_silence(sent, silence_s)
            if not missing:
                return
            async with anyio.create_task_group() as tasks:  # one after the other would take minutes of a late server
                for client in {witness, *sent.senders}:
                    if not client.closed and not client.left:
                        tasks.start_soon(_barrier_to_those_that_stay, room, client, {client, *sent.receivers})
            if not (late := [each for each in missing if each[1] in each[0].received and not each[0].closed]):
                return  # lost
            client, number = late[0]
    raise Violation(
        f"{what}: {client} received {len(late)} of {len(sent.numbers)} messages only after another one was sent, "
        f"{LONG_SILENCE_S:.0f} s later",
        kind="silent",
        clients=(room.messages.senders[number], client.number),
    )


async def _barrier_to_those_that_stay(room: Room, sender: Client, receivers: Collection[Client]) -> None:
    """Hold a barrier, and again when one of them was disconnected meanwhile: it may be, for having stalled."""
    while not sender.closed:
        connected = [client for client in receivers if not client.closed]
        try:
            await room.barrier(sender, connected)
        except Violation:
            room.check_alive()
            if not any(client.closed for client in connected):
                raise
        else:
            return


async def _missing_after_silence(sent: Sent, silence_s: float) -> list[tuple[Client, int]]:
    """Wait until all has arrived, or nothing has arrived for so long; return which receivers miss which messages."""
    while True:
        arrived = sum(client.bytes_received for client in sent.receivers)
        deadline = time.monotonic() + silence_s
        for client in sent.receivers:
            left_s = max(0.05, deadline - time.monotonic())
            await client.wait_until(lambda: not sent.missing(), left_s)
        missing = sent.missing()
        if not missing or sum(client.bytes_received for client in sent.receivers) == arrived:
            return missing
