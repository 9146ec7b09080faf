"""The slow client: what a server does with somebody who does not read, and after how many bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby

import anyio
import pytest

from harness.conformance.api import Client, Room

OFFERED = 8_000_000  # bytes; no kernel keeps as much on the way to a client that does not read
OFFERING_S = 8.0
STUCK_S = 5.0  # without a sign of life while one client does not read
FEW_GAPS = 8
SIZE, AT_ONCE = 250, 90  # bytes of a body, and messages on their way to those who keep up


@pytest.mark.slow
@pytest.mark.case(81, "LOAD-12")
async def test_what_is_done_with_a_client_that_does_not_read_is_told(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """LOAD-12: The harness reports what a server does with a client that does not read, and after how many bytes.

    It stalls while 8 MB of numbered messages are said to somebody who keeps up, and then reads on: what has
    come of them tells the policy. The bytes are those until the first loss, the kernel's buffers included.
    """
    (sleeper,), alice = await room.join_stalled(), await room.join_one()
    bodies = room.messages.bodies

    def tell(word: str, messages: Sequence[int]) -> None:
        size = sum(len(room.encode(bodies[number])) for number in messages)
        note(f"{word} after {megabytes(size)}, the kernel's buffers included")
        fact("slow client", f"{word}, {megabytes(size)}")

    first = len(alice.events)
    stuck = await _offer(room, alice)
    # Fences are left out: they are small, and find room where no other message does.
    offered = [-event - 1 for event in alice.events[first:] if event < 0 and len(bodies[-event - 1]) == SIZE]
    if stuck:
        tell("stalls everyone", offered)
        return
    sleeper.start_reading()
    await room.barrier_or_closed(alice, sleeper)
    received = set(sleeper.received)
    came = [number in received for number in offered]
    before = offered[: came.index(False) if False in came else None]
    if sleeper.closed:
        tell("disconnects", before)
    elif all(came) and len(offered) * SIZE < OFFERED:
        note(f"only {megabytes(len(offered) * SIZE)} could be offered in {OFFERING_S:.0f} s, and all of it came")
    else:
        tell(policy(came), before)


async def _offer(room: Room, alice: Client) -> bool:
    """Let a client say OFFERED bytes, no faster than it hears them; return whether it got stuck."""
    deadline = time.monotonic() + OFFERING_S
    for _ in range(OFFERED // (SIZE * AT_ONCE) + 1):
        if time.monotonic() > deadline:
            break
        with anyio.move_on_after(STUCK_S) as patience:
            await alice.send(*(alice.next_body(SIZE) for _ in range(AT_ONCE)))
            await room.barrier(alice, [alice])
        if patience.cancelled_caught:
            return True
    return False


def policy(came: Sequence[bool]) -> str:
    """Return the word for what was done, from whether each message that was offered came, in their order.

    The kernel takes what it takes in a few steps, as its buffers grow, so a few gaps tell nothing; what tells is
    whether the newest messages are there, which were waiting when the client read on.
    """
    runs = [kept for kept, _ in groupby(came)]
    gaps = runs.count(False)
    if not gaps:
        return "buffers"
    if gaps > FEW_GAPS:
        return "drops some"
    return "drops old" if came[-1] else "drops new"


def megabytes(count: int) -> str:
    """Return a number of bytes for people, e.g. "2.7 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} KB"
