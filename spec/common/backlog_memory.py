"""How much memory a server takes for clients that do not read, and whether that has a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import psutil

from harness.conformance.api import Client, Inconclusive, Room, Violation

MIB = 1024 * 1024
BOUND = 64 * MIB  # of growth, and a MiB for each stalled client; a server that exceeds it is offered more
RUNAWAY = 448 * MIB  # of growth beyond the bound
OFFERED_AT_LEAST = 32 * MIB  # memory that has stopped growing by then has a bound
OFFERING_AT_LEAST_S = 4.0  # to a server that takes them slowly,
TAKEN_AT_LEAST = 4 * MIB  # and no less than this: more than the kernel buffers on the way to a client
LEAST_SAMPLES = 4
FLAT = 0.02  # bytes of growth for each byte taken; a server that buffers it all for one client has 1
GROWING = 0.25  # likewise, in both quarters of the latter half, for a server that has exceeded the bound
MEMORY_SHARE = 0.5  # of the machine's free memory
OFFERED = 128 * MIB
OFFERED_AT_MOST = 5 * OFFERED  # a server that keeps all of it runs away by then, and a heap has reached its size
STEP, STEP_S = 2 * MIB, 1.0  # between two looks at its memory
STUCK_S = 10.0  # without a byte being taken from a client that reads
SLOW_S = 15.0  # then fewer clients stall, because a server may do something for each of them with every message
FEWER = 10  # times
OFFERING_S = 90.0  # of the server's time
TOO_BUSY = 0.5  # the share of the time in which the server waited for a processor


@dataclass
class BacklogMemory:
    """The memory of a server over the bytes that it took, while a number of clients does not read.

    Attributes:
        before: bytes of memory at the beginning.
        bound: bytes of growth.
        samples: bytes taken, and bytes grown.
    """

    before: int
    bound: int
    samples: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    @property
    def taken(self) -> int:
        """How many bytes the server took."""
        return self.samples[-1][0]

    @property
    def most(self) -> int:
        """The largest growth that was seen, in bytes."""
        return max(growth for _, growth in self.samples)

    def slope(self, begin: float = 0.5, end: float = 1.0) -> float:
        """Return the bytes by which memory has grown for each byte taken, between two shares of them."""
        first, last = (
            next(sample for sample in self.samples if sample[0] >= share * self.taken) for share in (begin, end)
        )
        return (last[1] - first[1]) / max(1, last[0] - first[0])

    def goes_on(self, growing: float = GROWING) -> bool:
        """Return whether memory has exceeded the bound and still grows.

        One quarter of the bytes alone may contain the last part of a heap that is full now.

        Args:
            growing: bytes of growth for each byte taken, in both quarters of the latter half.
        """
        return self.most > self.bound and min(self.slope(0.5, 0.75), self.slope(0.75, 1)) > growing

    def is_flat(self, seconds: float) -> bool:
        """Return whether memory has stopped growing, and was watched for long enough (in bytes, or in seconds)."""
        is_slow = self.taken >= TAKEN_AT_LEAST and seconds > OFFERING_AT_LEAST_S
        is_enough = is_slow or self.taken >= OFFERED_AT_LEAST
        return is_enough and len(self.samples) > LEAST_SAMPLES and self.slope() < FLAT

    def runs_away(self) -> bool:
        """Return whether memory has grown beyond all measure."""
        return self.most > self.bound + RUNAWAY


async def must_be_bounded(
    room: Room,
    stalled: list[Client],
    note: Callable[[str], None],
    *,
    sender_reads: bool = True,
    size: int = 0,
) -> None:
    """Offer messages while some clients do not read, until memory has stopped growing or has exceeded the bound.

    Args:
        room: the server, without other clients.
        stalled: the clients that do not read; most of them are reset if the server is slow.
        note: adds a remark to the result.
        sender_reads: whether the client that sends the messages reads them.
        size: bytes of a message; 0 for a long one.
    """
    clock = room.clock()
    while True:
        growth = BacklogMemory(room.usage().rss_bytes, BOUND + len(stalled) * MIB)
        limit_s = min(clock.read() + SLOW_S, OFFERING_S) if len(stalled) > 1 else OFFERING_S
        ending, sender = await _offer(
            room,
            growth,
            lambda: limit_s - clock.read(),  # noqa: B023
            sender_reads=sender_reads,
            size=size,
        )
        note(f"{growth.most / 1e6:.1f} MB for {growth.taken / 1e6:.0f} MB offered to {len(stalled)}")
        if growth.runs_away() or (ending is Ending.ENOUGH and growth.goes_on()):
            raise Violation(
                f"after {growth.taken / 1e6:.0f} MB were offered to {len(stalled)} clients that read nothing, memory "
                f"has grown by {growth.most / 1e6:.0f} MB and still grows; the bound is {growth.bound / 1e6:.0f} MB",
                kind="used",
            )
        if ending is not Ending.TIME_IS_UP or len(stalled) == 1:
            break
        # What has not taken enough in its time is decided with fewer clients.
        for client in stalled[max(1, len(stalled) // FEWER) :]:
            await client.reset()
        del stalled[max(1, len(stalled) // FEWER) :]
        await sender.reset()
        await (await room.join_one()).reset()  # it has caught up
    if ending is Ending.TIME_IS_UP and clock.waited_s > TOO_BUSY * clock.elapsed_s:
        raise Inconclusive(
            f"the machine was busy: the server waited {clock.waited_s:.0f} s for a processor, and has taken only "
            f"{growth.taken / 1e6:.0f} MB"
        )
    if ending is Ending.TIME_IS_UP and growth.goes_on():  # by garbage, perhaps, as long as a heap is not full
        raise Inconclusive(
            f"memory has grown by {growth.most / 1e6:.0f} MB with {growth.taken / 1e6:.0f} MB, all that the server "
            f"took in {clock.read():.0f} s; the bound is {growth.bound / 1e6:.0f} MB, and that proves nothing yet"
        )
    for client in room.clients:
        if client.is_reading:
            await client.reset()
    await room.join(2)


class Ending(Enum):
    """Why no more messages are offered."""

    ENOUGH = auto()  # they show how memory grows
    STUCK = auto()  # the server takes no more from a client that reads, or none that does not read: allowed
    TIME_IS_UP = auto()


async def _offer(
    room: Room, growth: BacklogMemory, seconds_left: Callable[[], float], *, sender_reads: bool, size: int
) -> tuple[Ending, Client]:
    """Offer messages until it is decided how memory grows; return why that has ended, and the sender.

    Args:
        room: the server, with clients that do not read.
        growth: is filled with samples.
        seconds_left: returns how long this may take.
        sender_reads: whether the sender reads what it sends.
        size: bytes of a message; 0 for a long one.
    """
    allowed = MEMORY_SHARE * psutil.virtual_memory().available
    begun_s = seconds_left()

    def grown() -> int:
        return room.usage().rss_bytes - growth.before

    def runs_away() -> bool:
        return grown() > growth.bound + RUNAWAY

    (sender,) = await (room.join() if sender_reads else room.join_stalled())
    while (left := seconds_left()) > 0:
        took = await room.flood(
            sender,
            STEP,
            seconds=min(left, STEP_S),
            until=runs_away,
            size=size or None,
            stuck_s=STUCK_S if sender_reads else None,
        )
        growth.samples.append((growth.taken + took, grown()))
        offered = OFFERED_AT_MOST if growth.most > growth.bound else OFFERED
        if growth.taken >= offered or runs_away() or growth.is_flat(begun_s - left):
            return Ending.ENOUGH, sender
        if grown() > allowed:
            raise Inconclusive(f"memory has grown by {grown() / 1e6:.0f} MB, and this machine has no more")
        if not took and not sender.closed:
            return Ending.STUCK, sender
        if sender.closed:  # a server may disconnect a client that does not keep up with its own echo
            (sender,) = await (room.join() if sender_reads else room.join_stalled())
    return Ending.TIME_IS_UP, sender
