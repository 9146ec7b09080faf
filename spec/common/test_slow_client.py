"""The slow client: what a server does with a client that does not read, and after how many bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby

import anyio
import pytest

from harness.conformance.api import Client, Room

OFFERED = 8_000_000  # bytes; no kernel buffers as much on the way to a client that does not read
OFFERING_S = 8.0
STUCK_S = 5.0  # without a sign of life while one client does not read
FEW_GAPS = 8
SIZE, AT_ONCE = 250, 90  # bytes of a body, and messages in flight to clients that keep up


@pytest.mark.slow
@pytest.mark.case(81, "LOAD-12")
async def test_the_policy_for_a_client_that_does_not_read_is_reported(
    room: Room, note: Callable[[str], None], fact: Callable[[str, str], None]
) -> None:
    """LOAD-12: The harness reports what a server does with a client that does not read, and after how many bytes.

    It stalls while 8 MB of numbered messages are sent to a client that keeps up, and then resumes: the messages that
    it receives show the policy. The bytes are those before the first loss, the kernel's buffers included.
    """
    (stalled,), alice = await room.join_stalled(), await room.join_one()
    bodies = room.messages.bodies

    def report(word: str, messages: Sequence[int]) -> None:
        size = sum(len(room.encode(bodies[number])) for number in messages)
        note(f"{word} after {megabytes(size)}, the kernel's buffers included")
        fact("slow client", f"{word}, {megabytes(size)}")

    first = len(alice.events)
    is_stuck = await _offer(room, alice)
    # Barrier messages are left out: they are small, and find room where no other message does.
    offered = [-event - 1 for event in alice.events[first:] if event < 0 and len(bodies[-event - 1]) == SIZE]
    if is_stuck:
        report("stalls everyone", offered)
        return
    stalled.start_reading()
    await room.barrier_or_closed(alice, stalled)
    received = set(stalled.received)
    arrived = [number in received for number in offered]
    before = offered[: arrived.index(False) if False in arrived else None]
    if stalled.closed:
        report("disconnects", before)
    elif all(arrived) and len(offered) * SIZE < OFFERED:
        note(f"only {megabytes(len(offered) * SIZE)} could be offered in {OFFERING_S:.0f} s, and all of it arrived")
    else:
        report(policy(arrived), before)


async def _offer(room: Room, alice: Client) -> bool:
    """Let a client send OFFERED bytes, no faster than it receives them; return whether it got stuck."""
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


def policy(arrived: Sequence[bool]) -> str:
    """Return the word for a server's policy, from whether each message that was offered arrived, in their order.

    The kernel's buffers grow in a few steps, so a few gaps prove nothing; the difference is whether the newest
    messages arrived, which were waiting when the client resumed.
    """
    runs = [is_kept for is_kept, _ in groupby(arrived)]
    gaps = runs.count(False)
    if not gaps:
        return "buffers"
    if gaps > FEW_GAPS:
        return "drops some"
    return "drops old" if arrived[-1] else "drops new"


def megabytes(count: int) -> str:
    """Return a number of bytes as text, e.g. "2.7 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} KB"
