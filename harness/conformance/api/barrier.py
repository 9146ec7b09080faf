"""The fence: a message whose arrival proves what stood before it, so that nobody has to sleep to hear nothing.

Fences may be dropped, so they are said again, as often as it takes. A wait ends when nothing at all has come
for PATIENCE_S: a slow server is waited for as long as it makes progress, or waits for a processor.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import anyio

from harness.conformance.api.client import Client
from harness.errors import CouldNotTell, Violation
from harness.history.record import Ledger
from harness.model import Spec
from harness.processes.deadlines import Queueing
from harness.processes.proc import queued_s
from harness.servers.process import Server

PATIENCE_S = 20.0  # without any sign of life; no lawful server that reads our messages is that slow
LIMIT_S = 90.0  # for one wait, whatever comes
STARVED_S = 5.0  # that a server has waited for a processor before it took nothing more
AGAIN_S = 0.1  # before a fence is sent again; longer each time that nobody more has heard it
AGAIN_MOST_S = 0.5  # some forty fences until patience ends: more than a server loses by bad luck


class Place(Protocol):
    """Where a fence is said: a room."""

    spec: Spec
    ledger: Ledger
    server: Server

    def look_alive(self) -> None:
        """Raise Violation when the server has ended."""


async def fence(place: Place, speaker: Client, hearers: Collection[Client]) -> None:
    """Return when every hearer has heard something that the speaker said after the call began.

    Raises:
        Violation: a hearer heard nothing for PATIENCE_S, saw a fault, or was disconnected.
        CouldNotTell: the server took nothing, but it had waited for a processor.
    """
    waiting = set(hearers)
    heard, fences = anyio.Event(), set[int]()

    def watch(one: Client, numbers: list[int]) -> None:
        if not fences.isdisjoint(numbers):
            waiting.discard(one)
            if not waiting:
                heard.set()

    for one in hearers:
        one.watchers.add(watch)
    again, begun = AGAIN_S, time.monotonic()
    progress, since = 0, begun
    queueing: Queueing | None = None  # not before it is needed: who serves thousands has thousands of threads to ask
    try:
        while waiting:
            # The number is taken before the message leaves: its echo may be faster than we are.
            fences.add(len(place.ledger.bodies))
            with anyio.move_on_after(PATIENCE_S) as sending:
                await speaker.tell(as_step=False)
            if sending.cancelled_caught:
                if queued_s(place.server.pid) > STARVED_S:
                    raise CouldNotTell(f"the server took nothing for {PATIENCE_S:.0f} s, but the machine was too busy")
                raise Violation(
                    f"the server took nothing that {speaker} sent for {PATIENCE_S:.0f} s",
                    kind="silent",
                    about=(speaker.number,),
                )
            if len(fences) == 2:
                queueing = Queueing(place.server.pid)
            deaf_so_far = len(waiting)
            with anyio.move_on_after(again):
                await heard.wait()
            again = AGAIN_S if len(waiting) < deaf_so_far else min(2 * again, AGAIN_MOST_S)
            waiting -= {one for one in waiting if one.left}
            _look_for_faults(waiting, place.spec.faults)
            _look_for_the_disconnected(waiting, place)
            came, now = sum(one.bytes_received for one in waiting), time.monotonic()
            if came != progress:
                progress, since = came, now
            if waiting and (now - since > PATIENCE_S or now - begun > LIMIT_S):
                if queueing and (excused_s := queueing.excuses_s(min(now - since, PATIENCE_S))):
                    since, begun = since + excused_s, begun + excused_s
                    continue
                deaf = sorted(waiting, key=lambda one: one.number)
                raise Violation(
                    f"{_listed(deaf)} heard nothing of what {speaker} said, although it was said "
                    f"{len(fences)} times in {now - begun:.0f} s",
                    kind="silent",
                    about=(speaker.number, *(one.number for one in deaf[:3])),
                )
    finally:
        for one in hearers:
            one.watchers.discard(watch)


def _look_for_faults(waiting: Collection[Client], requirements: Mapping[str, str]) -> None:
    # A stream that is out of step will never make sense again: no use in waiting for it.
    for one in waiting:
        for fault in one.faults:
            raise Violation(fault.sentence, requirements[fault.kind], fault=fault, about=(one.number,))


def _look_for_the_disconnected(waiting: Collection[Client], place: Place) -> None:
    for one in waiting:
        if one.closed:
            place.look_alive()
            raise Violation(
                f"the server closed the connection of {one} ({one.closed}), which was reading",
                kind="closed",
                about=(one.number,),
            )


def _listed(some: Sequence[Client]) -> str:
    names = ", ".join(map(str, some[:5]))
    return f"{names} and {len(some) - 5} more" if len(some) > 5 else names
