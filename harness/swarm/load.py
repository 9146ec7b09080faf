"""One load on clients that have joined: says, receives, verifies as it goes, and keeps the accounts."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.codec import Codec
from harness.resources import usage
from harness.swarm import core
from harness.swarm.frames import Frames, Voice
from harness.swarm.shapes import Numbers
from harness.swarm.streams import Streams

QUIET_S = 0.5  # without a byte: what has not come by then was dropped
DRAIN_S = 10.0


@dataclass(frozen=True)
class Account:
    """A moment's counts; two of them make a measurement."""

    at: float
    deliveries: int
    server_cpu_s: float
    generator_cpu_s: float


class Load:
    """One load on clients of which those with the same subscriptions stand at the same point of their stream.

    Args:
        sockets: the clients' connections.
        subscriptions: for each of them its topics.
        server_pid: whose processor time is told.
        voices: who speaks to which topic; each hears the topic that it speaks to.
        text_bytes: the length of every text.
        as_arriving: whether voices send what a server would deliver: for a relay of bytes.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        subscriptions: Sequence[tuple[int, ...]],
        codec: Codec,
        server_pid: int,
        voices: Sequence[Voice],
        text_bytes: int,
        *,
        as_arriving: bool = False,
    ) -> None:
        self._subscriptions, self._server_pid, self.voices = subscriptions, server_pid, voices
        self._groups = {topics: number for number, topics in enumerate(dict.fromkeys(subscriptions))}
        groups_of = [self._groups[topics] for topics in subscriptions]
        frames = Frames(codec, voices, text_bytes, as_arriving=as_arriving)
        owed = [bytes(voice.topic in topics for voice in voices) for topics in self._groups]
        self.core = core.make(frames.shapes, owed)
        self._streams = Streams(self.core, frames, voices, list(self._groups), groups_of)
        for one, group in zip(sockets, groups_of, strict=True):
            one.setblocking(False)
            self.core.add(one.fileno(), group)

    @property
    def senders(self) -> range:
        """The numbers of the voices."""
        return range(len(self.voices))

    def add_guest(self, one: socket.socket, topics: Sequence[int], *, may_be_closed: bool = False) -> int:
        """Receive for a client that comes during the load and hears what residents with these topics hear.

        Args:
            may_be_closed: whether the server may disconnect it, as one that has not read for long.
        """
        one.setblocking(False)
        client = self.core.add(one.fileno(), -1)
        self._streams.add_guest(client, self._groups[tuple(topics)], may_be_closed=may_be_closed)
        return client

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and the guests that were dropped."""
        return self.core.closed()

    def drop_guest(self, client: int) -> None:
        """Receive no more for a guest; its socket stays open."""
        self.core.drop(client)
        self._streams.drop_guest(client)

    def account(self) -> Account:
        """Return the counts of this moment."""
        return Account(time.monotonic(), sum(self._heard()), usage(self._server_pid).cpu_s, time.process_time())

    def step(self, until_ns: int) -> list[tuple[int, int]]:
        """Go on until then (monotonic ns) or until something must be looked at.

        Returns (client, time in monotonic ns) of what guests and those who have parted have received.

        Raises:
            Violation: a client was disconnected, or received what no lawful server can have sent.
        """
        return self._streams.attend(self.core.run(until_ns))

    def said(self, voice: int) -> int:
        """Return how many messages a voice has said."""
        return self.core.voice(voice)[0]

    def latencies(self) -> Numbers:
        """Hand over what is new: rows of message of the schedule, ns from its intended time until it came back."""
        return np.frombuffer(self.core.latencies(), np.int64).reshape(-1, 2)

    def lags(self) -> Numbers:
        """Hand over what is new: rows of message of the schedule, ns by which it was said late."""
        return np.frombuffer(self.core.lags(), np.int64).reshape(-1, 2)

    def finish(self) -> None:
        """Say nothing more, wait until nothing comes, and let the judge decide what is in doubt.

        Raises:
            Violation: no lawful server can have made what the clients received.
        """
        self.core.hush()
        begun, due = time.monotonic(), self._due()
        while (now := time.monotonic()) < begun + DRAIN_S:
            self.step(time.monotonic_ns() + 20_000_000)
            has_all = all(heard >= count for heard, count in zip(self._heard(), due, strict=True))
            if has_all and not self.core.unsent():
                break
            if now - max(begun, self.core.progress_ns() / 1e9) > QUIET_S:
                break
        self.step(0)  # what Python has done in the last step may have left a reason
        self._streams.settle()

    def _heard(self) -> list[int]:
        return [self.core.heard(client) for client in range(len(self._subscriptions))]

    def _due(self) -> list[int]:
        """Return for each client how many messages were said to its topics."""
        said: dict[int, int] = defaultdict(int)
        for number, one in enumerate(self.voices):
            said[one.topic] += self.said(number)
        totals = {topics: sum(said[topic] for topic in topics) for topics in self._groups}
        return [totals[topics] for topics in self._subscriptions]

    def shares(self, before: Account, after: Account) -> dict[str, float]:
        """Return what every load tells beside its own figures: drops, both processors' shares."""
        elapsed = after.at - before.at
        return {
            "clients": len(self._subscriptions),
            "dropped_share": 1 - sum(self._heard()) / max(1, sum(self._due())),
            "server_cpu_share": (after.server_cpu_s - before.server_cpu_s) / elapsed,
            "generator_cpu_share": (after.generator_cpu_s - before.generator_cpu_s) / elapsed,
        }
