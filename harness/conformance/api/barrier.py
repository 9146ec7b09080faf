"""The barrier: a message whose arrival proves that the messages before it were delivered or dropped, without a sleep.

A barrier message may be dropped, so it is sent again as often as necessary. The wait fails when nothing at all
has arrived for PATIENCE_S: a slow server is waited for while it makes progress, or waits for a processor, or has
written what the kernel has not delivered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import anyio

from harness.conformance.api.client import Client
from harness.conformance.api.participants import Participants
from harness.errors import Inconclusive, Violation
from harness.processes.deadlines import LostTime
from harness.processes.proc import cpu_wait_s

PATIENCE_S = 20.0  # without any sign of life; no conforming server that reads our messages is that slow
LIMIT_S = 90.0  # until a further receiver has received it, whatever else arrives
TOO_BUSY_S = 240.0  # for one wait, however much of it was lost: a case may take five minutes
STARVED_S = 5.0  # of waiting for a processor excuse a server that took no more bytes
AGAIN_S = 0.1  # before a barrier message is sent again; longer each time that no further client has received it
AGAIN_MOST_S = 0.5  # some forty messages until patience ends: more than a server loses by bad luck


class Patience:
    """Decides how long to wait for a server: while it makes progress, but not for ever, and without the time it lost.

    Args:
        pid: the server's process.
        now_s: the monotonic clock.
    """

    def __init__(self, pid: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._pid, self._now_s = pid, now_s
        self._now = self._begun = self._since = self._looked = now_s()
        self._latest = self._begun + TOO_BUSY_S
        self._limited = self._begun  # since when the limit runs
        self._waiting, self._progress = 0, 0
        self._lost: LostTime | None = None

    @property
    def elapsed_s(self) -> float:
        """For how long it had been waited at the last call of `ends`, without lost time."""
        return self._now - self._begun

    @property
    def is_silent(self) -> bool:
        """Whether there has been no progress for PATIENCE_S, by the last call of `ends`."""
        return self._now - self._since > PATIENCE_S

    @property
    def is_over(self) -> bool:
        """Whether no further receiver has received it for LIMIT_S, by the last call of `ends`."""
        return self._now - self._limited > LIMIT_S

    def ends(self, waiting: int, progress: int) -> bool:
        """Return whether to wait no longer.

        Args:
            waiting: for how many receivers. When there are fewer the limit begins anew: a thousand clients need a
                hundred seconds where a server takes a tenth of a second to serve one more.
            progress: a number that differs from that of the last call if there has been progress.

        Raises:
            Inconclusive: most of the time was lost.
        """
        now = self._now = self._now_s()
        if progress != self._progress:
            self._progress, self._since = progress, now
        if waiting != self._waiting:
            self._waiting, self._limited = waiting, now
        if self._lost is None:  # not earlier: a server of thousands of clients has as many threads to look at
            self._lost, self._looked = LostTime(self._pid, includes_ours=True), now
        if not self._is_exceeded():
            return False
        lost_s = self._lost.since_last_call_s(now - self._looked)
        self._since, self._limited = (min(since + lost_s, now) for since in (self._since, self._limited))
        self._begun, self._looked = self._begun + lost_s, now
        if self._is_exceeded():
            return True
        if now >= self._latest:
            raise Inconclusive(f"the machine was too busy: not all was received in {TOO_BUSY_S:.0f} s")
        return False

    def _is_exceeded(self) -> bool:
        return self.is_over or self.is_silent


async def barrier(participants: Participants, sender: Client, receivers: Collection[Client]) -> None:
    """Return when every receiver has received a message that the sender sent after the call began.

    Args:
        participants: all clients of the server.
        sender: sends the barrier messages.
        receivers: the clients to wait for; those that leave meanwhile are not waited for.

    Raises:
        Violation: a receiver received nothing for PATIENCE_S, saw a fault, or was disconnected.
        Inconclusive: the server took nothing, but it had waited for a processor; the machine was too busy for all, or
            the kernel did not deliver what the server had written.
    """
    server = participants.server
    waiting = set(receivers)
    all_received, barriers = anyio.Event(), set[int]()

    def watch(client: Client, numbers: list[int]) -> None:
        if not barriers.isdisjoint(numbers):
            waiting.discard(client)
            if not waiting:
                all_received.set()

    for client in receivers:
        client.watchers.add(watch)
    again, patience = AGAIN_S, Patience(server.pid)
    try:
        while waiting:
            # The number is taken before the message leaves: its echo may be faster than we are.
            barriers.add(len(participants.messages.bodies))
            with anyio.move_on_after(PATIENCE_S) as sending:
                await sender.send_next(as_step=False)
            if sending.cancelled_caught:
                if cpu_wait_s(server.pid) > STARVED_S:
                    raise Inconclusive(f"the server took nothing for {PATIENCE_S:.0f} s, but the machine was too busy")
                raise Violation(
                    f"the server took nothing that {sender} sent for {PATIENCE_S:.0f} s",
                    kind="silent",
                    clients=(sender.number,),
                )
            waiting_before = len(waiting)
            with anyio.move_on_after(again):
                await all_received.wait()
            again = AGAIN_S if len(waiting) < waiting_before else min(2 * again, AGAIN_MOST_S)
            waiting -= {client for client in waiting if client.left}
            _raise_first_fault(waiting, participants.spec.faults)
            _check_connected(waiting, participants)
            if waiting and patience.ends(len(waiting), sum(client.bytes_received for client in waiting)):
                missing = sorted(waiting, key=lambda client: client.number)
                if patience.is_silent and all(client.is_being_sent_to for client in missing):
                    if not patience.is_over:
                        continue
                    raise Inconclusive(f"the kernel did not deliver in {LIMIT_S:.0f} s what the server had written")
                own = missing == [sender]
                sent = f"its own {len(barriers)} messages" if own else f"{len(barriers)} messages that {sender} sent"
                raise Violation(
                    f"{_listed(missing)} received none of {sent} in {patience.elapsed_s:.0f} s",
                    kind="silent",
                    clients=(sender.number, *(client.number for client in missing[:3])),
                )
    finally:
        for client in receivers:
            client.watchers.discard(watch)


def _raise_first_fault(waiting: Collection[Client], requirements: Mapping[str, str]) -> None:
    # A stream that is out of step never makes sense again: waiting for it is of no use.
    for client in waiting:
        for fault in client.faults:
            raise Violation(fault.sentence, requirements[fault.kind], fault=fault, clients=(client.number,))


def _check_connected(waiting: Collection[Client], participants: Participants) -> None:
    for client in waiting:
        if client.closed:
            participants.check_alive()
            raise Violation(
                f"the server closed the connection of {client} ({client.closed}), which was reading",
                kind="closed",
                clients=(client.number,),
            )


def _listed(clients: Sequence[Client]) -> str:
    names = ", ".join(map(str, clients[:5]))
    return f"{names} and {len(clients) - 5} more" if len(clients) > 5 else names
