"""What a client sends right before it leaves."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import anyio
import pytest

from harness.conformance.api import Client, Room, Violation

LAST_WORDS = 20  # clients
TAIL_SIZE = 250  # bytes of a body, and
TAIL = (
    60_000  # bytes of messages: more than many servers read at a time, and the kernel takes them while one is stopped
)
SENDING_S = 2.0
OFTEN = 5  # a server that drops most of a burst gets its last message through less often


@pytest.mark.case(55, "COME-3")
async def test_last_messages_are_delivered(room: Room) -> None:
    """COME-3: A message that a client sent in full before it left is delivered like any other message.

    Connect, send, FIN, and the same while the server is stopped, so that it finds both at once, or all three; of
    several clients at least one message must arrive each time.
    """
    alice = await room.join_one()
    ways = (
        (nullcontext, nullcontext, "closes"),
        (nullcontext, room.server_paused, "closes while the server is stopped"),
        (room.server_paused, nullcontext, "closes before it is accepted"),
    )
    for since_connecting, since_sending, how in ways:
        sent = set[int]()
        for turn in range(LAST_WORDS):
            with since_connecting():
                client = await room.connect()
                with since_sending():
                    sent.update(await client.send(b"last words of " + client.next_body()))
                    await client.close_sending()
            await client.leave()
            # A late server need not hurry, and a lossy one gets another chance.
            seconds = 20 if turn == LAST_WORDS - 1 else 1
            if await alice.wait_until(lambda sent=sent: not sent.isdisjoint(alice.received), seconds):  # type: ignore[misc]
                break
        else:
            raise Violation(f"what a client sends right before it {how} never arrives, tried with {LAST_WORDS} clients")


@pytest.mark.slow
@pytest.mark.case(93, "COME-3")
async def test_the_last_of_many_last_messages_is_delivered(room: Room) -> None:
    """COME-3: A message that a client sent in full before it left is delivered like any other message.

    More messages than a server reads at a time, and FIN, both of which it finds at once. Of several clients the last
    message of at least one must arrive, if those of several clients that stay do.
    """
    alice = await room.join_one()
    last: dict[bool, set[int]] = {False: set(), True: set()}  # by whether the client leaves, its last messages
    for turn in range(2 * LAST_WORDS):
        client, leaves = await room.connect(), turn % 2 > 0
        with room.server_paused():
            # One less from every second client that leaves: a server that drops every second message, counted over all
            # turns, would otherwise drop the last one of all those.
            count = TAIL // len(room.encode(client.next_body(TAIL_SIZE))) - (turn % 4 == 3)
            bodies = [client.next_body(TAIL_SIZE) for _ in range(count)]
            with anyio.move_on_after(SENDING_S):  # what the kernel does not take yet is sent later
                await client.send(*bodies)
            last[leaves].add(room.messages.numbers[bodies[-1]])
            if leaves:
                await client.close_sending()
        patience_s = 20 if turn >= 2 * LAST_WORDS - 2 else 1
        await alice.wait_while_receiving(partial(_has_received_any, alice, last[leaves]), patience_s)
        await client.leave()
        if _has_received_any(alice, last[True]):
            return
    stayed = len(last[False].intersection(alice.received))
    if stayed >= OFTEN:
        raise Violation(
            f"of {TAIL / 1000:.0f} KB of messages the last one arrived {stayed} times of {LAST_WORDS} when its sender "
            "stayed, and never when it left"
        )


def _has_received_any(client: Client, numbers: set[int]) -> bool:
    return not numbers.isdisjoint(client.received)
