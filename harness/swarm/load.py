"""One load on clients that have joined: sends, receives, notes what came back when, verifies it all in the end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.codec import Codec
from harness.errors import Violation
from harness.history.judge import judge
from harness.history.record import History
from harness.resources import usage
from harness.swarm.frames import Frames, Numbers
from harness.swarm.pump import CODE, Pump

QUIET_S = 0.5  # without a byte: what has not come by then was dropped
DRAIN_S = 10.0


@dataclass
class Sender:
    """One of the clients that speak: what it has sent, and what of it has come back to it."""

    client: int
    sent: int = 0
    echoed: int = 0
    looked: int = 0  # messages of its stream that have been looked at for echoes
    unsent: bytes = b""
    moments: list[tuple[int, int, int]] = field(default_factory=list)  # heard before, first number, count


@dataclass(frozen=True)
class Account:
    """A moment's counts; two of them make a measurement."""

    at: float
    deliveries: int
    server_cpu_s: float
    generator_cpu_s: float


class Load:
    """One load on clients that all stand at the same point of the stream.

    Args:
        sockets: the clients' connections; `senders` of them speak.
        server_pid: whose processor time is told.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], codec: Codec, server_pid: int, senders: int, body_bytes: int
    ) -> None:
        self._sockets, self._server_pid = sockets, server_pid
        self._frames = Frames(codec, body_bytes)
        self._pump = Pump(sockets, self._frames)
        # Spread over the room: many servers serve in the order of joining, and the first would look fast.
        self.senders = [Sender((2 * place + 1) * len(sockets) // (2 * senders)) for place in range(senders)]
        self._by_client = {one.client: one for one in self.senders}
        self._heard: list[tuple[int, int, int]] = []  # client, messages so far, time in ns
        self._progress_at = time.monotonic()

    def account(self) -> Account:
        """Return the counts of this moment."""
        pump = self._pump
        return Account(
            time.monotonic(),
            sum(pump.messages(client) for client in range(len(pump.streams))),
            usage(self._server_pid).cpu_s,
            time.process_time(),
        )

    def send(self, one: Sender, count: int) -> None:
        """Let a sender say its next `count` messages."""
        one.moments.append((self._pump.messages(one.client), one.sent, count))
        one.unsent += self._frames.make(one.client, one.sent, count)
        one.sent += count
        self._push(one)

    def _push(self, one: Sender) -> None:
        try:
            done = self._sockets[one.client].send(one.unsent)
        except BlockingIOError:
            return
        except ConnectionError:
            raise Violation(f"the server closed the connection of client {one.client}, which was sending") from None
        one.unsent = one.unsent[done:]

    def step(self, timeout_s: float) -> None:
        """Take what comes within `timeout_s`, note echoes, and push what could not be sent before."""
        took = self._pump.poll(timeout_s)
        if took:
            self._progress_at = time.monotonic()
        for client, at_ns in took:
            one = self._by_client.get(client)
            if one:
                self._heard.append((client, self._pump.messages(client), at_ns))
                self._look_for_echoes(one)
        for one in self.senders:
            if one.unsent:
                self._push(one)

    def _look_for_echoes(self, one: Sender) -> None:
        heard = self._pump.messages(one.client)
        codes = self._pump.received(one.client, one.looked, heard)
        mine = codes[codes // CODE == one.client]
        one.looked = heard
        if mine.size:
            # By the order of one sender, whatever it said before has arrived by now, or never will.
            one.echoed = int(mine[-1]) - one.client * CODE + 1

    def run(self, seconds: float, send_more: Callable[[], None], *, forgive_after_s: float) -> None:
        """Send and receive for some seconds; messages unheard for `forgive_after_s` are taken for dropped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            send_more()
            self.step(0.05)
            if time.monotonic() - self._progress_at > forgive_after_s:
                self._progress_at = time.monotonic()
                for one in self.senders:
                    one.echoed = one.sent

    def finish(self) -> None:
        """Wait until nothing comes any more, and verify the whole load.

        Raises:
            Violation: no lawful server can have made what the clients received.
        """
        deadline = time.monotonic() + DRAIN_S
        due = sum(one.sent for one in self.senders)
        clients = range(len(self._pump.streams))
        self._progress_at = time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - self._progress_at < QUIET_S:
            self.step(0.05)
            if not any(one.unsent for one in self.senders) and all(
                self._pump.messages(client) >= due for client in clients
            ):
                break
        self._pump.close()
        self._verify()

    def _verify(self) -> None:
        pump = self._pump
        common = pump.order[: pump.parsed_messages]
        apart = [pump.all_received(client) for client in pump.parted()]
        for codes in (common, *apart):
            self._verify_sent(codes)
        if not apart and self._in_senders_order(common):
            return  # one stream for all, each sender's numbers rising in it: that is the one order
        # Senders' streams with their sends between, and those of clients that parted; for all the others one.
        told = [(one.client, self._told(one)) for one in self.senders]
        told += [(client, pump.all_received(client) + 1) for client in pump.parted()]
        in_step = max(
            set(range(len(pump.streams))) - set(pump.parted()), key=lambda one: pump.streams[one].taken, default=None
        )
        if in_step is not None:
            told.append((in_step, pump.all_received(in_step) + 1))
        streams = [stream for _, stream in told]
        known, inverse = np.unique(np.concatenate([np.abs(stream) for stream in streams]), return_inverse=True)
        numbered, start = [], 0
        for stream in streams:
            numbers = inverse[start : start + stream.size]
            numbered.append(np.where(stream < 0, -numbers - 1, numbers))
            start += stream.size
        names = [f"{int(code) // CODE}.{int(code) % CODE}" for code in (known - 1).tolist()]
        faults = judge(
            History(
                events=numbered,
                clients=[client for client, _ in told],
                senders=((known - 1) // CODE).tolist(),
                times_sent=[1] * known.size,
                names=names,
            )
        )
        if faults:
            raise Violation(f"{faults[0].kind}: {faults[0].sentence}")

    def _told(self, one: Sender) -> Numbers:
        """Return what a sender did, in its own order: codes + 1, negative where it sent."""
        received = self._pump.all_received(one.client) + 1
        parts, at = [], 0
        for heard, first, count in one.moments:
            parts.append(received[at:heard])
            parts.append(-(one.client * CODE + np.arange(first, first + count) + 1))
            at = heard
        return np.concatenate((*parts, received[at:]))

    def _verify_sent(self, codes: Numbers) -> None:
        sent = np.zeros(10_000, np.int64)
        for one in self.senders:
            sent[one.client] = one.sent
        if codes.size and (codes % CODE >= sent[codes // CODE]).any():
            raise Violation("a client received a message that nobody has sent")

    def _in_senders_order(self, codes: Numbers) -> bool:
        return all(bool((np.diff(codes[codes // CODE == one.client]) > 0).all()) for one in self.senders)

    def echoes(self, one: Sender) -> list[tuple[int, int]]:
        """Return (sequence number, arrival in monotonic ns) of a sender's own messages that came back."""
        found, looked = [], 0
        received = self._pump.all_received(one.client)
        for client, messages, at_ns in self._heard:
            if client == one.client:
                codes = received[looked:messages]
                looked = messages
                mine = codes[codes // CODE == client] - client * CODE
                found += [(number, at_ns) for number in mine.tolist()]
        return found

    def shares(self, before: Account, after: Account) -> dict[str, float]:
        """Return what every load tells beside its own figures: drops, both processors' shares."""
        sent, clients = sum(one.sent for one in self.senders), len(self._pump.streams)
        received = sum(self._pump.messages(client) for client in range(clients))
        elapsed = after.at - before.at
        return {
            "clients": clients,
            "dropped_share": 1 - received / max(1, sent * clients),
            "server_cpu_share": (after.server_cpu_s - before.server_cpu_s) / elapsed,
            "generator_cpu_share": (after.generator_cpu_s - before.generator_cpu_s) / elapsed,
        }
