"""A swarm: clients that load one server and keep the accounts of it.

A workload asks for clients, then for a load: flat out within a window, or at a rate on a schedule. After each
load every delivery has been verified: bytes that were sent, nobody told twice, one order for all.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from harness.addresses import Address
from harness.codec import Codec
from harness.errors import Violation
from harness.resources import usage
from harness.swarm import latency
from harness.swarm.frames import Frames
from harness.swarm.load import QUIET_S, Load

CONNECT_S = 30.0
JOIN_S = 30.0
STARTER = 9999  # the sender number of the messages that mark the start of a load
SPIN_S = 0.0015  # the kernel's timers count in ms, and wake late


@dataclass
class Swarm:
    """Clients of one server; a workload drives it and leaves its figures in `figures` and `histogram`.

    Attributes:
        server_pid: for its memory and processor time.
        figures: what was measured, by name, the unit at the end of the name.
        histogram: latencies, encoded, or "".
    """

    address: Address
    codec: Codec
    server_pid: int
    figures: dict[str, float] = field(default_factory=dict)
    histogram: str = ""
    sockets: list[socket.socket] = field(default_factory=list)

    def connect(self, count: int) -> None:
        """Connect this many more clients."""
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            self.sockets.append(one)
            one.settimeout(CONNECT_S)
            try:
                one.connect((self.address.host, self.address.port))
            except OSError as error:
                raise Violation(f"client {len(self.sockets) - 1} could not connect: {error}") from None
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Disconnect all clients."""
        for one in self.sockets:
            one.close()

    def join(self, *, together: bool = True) -> None:
        """Return when all clients have heard that they are in the room.

        Args:
            together: go on until all have heard one and the same message, and nothing behind it. A server may
                drop it for somebody, and then all try anew with another.

        Raises:
            Violation: that does not come about in JOIN_S seconds.
        """
        frames = Frames(self.codec, 32)
        rests = [b""] * len(self.sockets)
        places = {one.fileno(): place for place, one in enumerate(self.sockets)}
        waiting = set(range(len(self.sockets)))
        deadline, number = time.monotonic() + JOIN_S, 0
        with select.epoll() as poll:
            for one in self.sockets:
                one.setblocking(False)
                poll.register(one.fileno(), select.EPOLLIN)
            while waiting:
                if time.monotonic() > deadline:
                    raise Violation(
                        f"{len(waiting)} of {len(self.sockets)} clients did not hear, in {JOIN_S:.0f} s, "
                        f"any one of {number} messages that client 0 sent to find out who is in the room"
                    )
                with suppress(BlockingIOError):
                    self.sockets[0].send(frames.make(STARTER, number, 1))
                if together:
                    waiting = set(range(len(self.sockets)))
                while waiting and (ready := poll.poll(QUIET_S)):
                    for descriptor, _ in ready:
                        place = places[descriptor]
                        newest, rests[place] = self._marks(place, frames, rests[place] + self._receive(place))
                        if newest == number or (newest is not None and not together):
                            waiting.discard(place)
                number += 1

    def _marks(self, place: int, frames: Frames, data: bytes) -> tuple[int | None, bytes]:
        """Return the number of the newest mark in what a client received, and the bytes behind the last whole one."""
        end = len(data) // frames.bytes_arriving * frames.bytes_arriving
        read = frames.read(data[:end])
        if read is None or (read[0] != STARTER).any():
            raise Violation(f"client {place} received bytes that nobody has sent, before the load began")
        return (int(read[1][-1]) if end else None), data[end:]

    def _receive(self, place: int) -> bytes:
        try:
            data = self.sockets[place].recv(65536)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        if not data:
            raise Violation(f"the server closed the connection of client {place}, which was reading")
        return data

    # --- loads

    def flat_out(self, *, senders: int, window: int, body_bytes: int, warm_up_s: float, seconds: float) -> None:
        """Send as fast as the window lets, and count deliveries.

        Args:
            senders: how many of the clients speak.
            window: messages on their way at a time, over all senders: sent and not yet heard by their sender.
            warm_up_s, seconds: before the counting, and of it.
        """
        load = Load(self.sockets, self.codec, self.server_pid, senders, body_bytes)
        share = max(1, window // senders)

        def send_more() -> None:
            for one in load.senders:
                room = share - (one.sent - one.echoed)
                # In batches of half a window: waking up for each echo would measure that instead.
                if room >= max(1, share // 2) and not one.unsent:
                    load.send(one, room)

        load.run(warm_up_s, send_more, forgive_after_s=QUIET_S)
        before = load.account()
        load.run(seconds, send_more, forgive_after_s=QUIET_S)
        after = load.account()
        load.finish()
        elapsed = after.at - before.at
        deliveries = after.deliveries - before.deliveries
        self.figures |= {
            "deliveries_per_s": deliveries / elapsed,
            "server_cpu_ns_per_delivery": (after.server_cpu_s - before.server_cpu_s) / max(1, deliveries) * 1e9,
            "window": window,
            **load.shares(before, after),
        }

    def paced(self, *, senders: int, rate_per_s: float, body_bytes: int, warm_up_s: float, seconds: float) -> None:
        """Send on a schedule, whatever the server does, and take latencies from the intended times.

        Message n is due n / rate seconds after the start, and is the (n // senders)th of sender n % senders. Each
        sender times its own messages. Messages of the warm-up are sent and verified, and not counted.
        """
        load = Load(self.sockets, self.codec, self.server_pid, senders, body_bytes)
        interval_ns = 1e9 / rate_per_s
        total, first = int(rate_per_s * (warm_up_s + seconds)), int(rate_per_s * warm_up_s)
        lags = np.zeros(total, np.int64)
        start_ns = time.monotonic_ns() + 10_000_000
        before = load.account()
        for number in range(total):
            due_ns = start_ns + int(number * interval_ns)
            while (wait_s := (due_ns - time.monotonic_ns()) / 1e9) > 0:
                load.step(max(0.0, wait_s - SPIN_S) if wait_s > 2 * SPIN_S else 0)
            if number == first:
                before = load.account()
            lags[number] = time.monotonic_ns() - due_ns
            load.send(load.senders[number % senders], 1)
        after_sending = load.account()
        load.finish()
        latencies = [
            arrived_ns - (start_ns + int((number * senders + place) * interval_ns))
            for place, one in enumerate(load.senders)
            for number, arrived_ns in load.echoes(one)
            if number * senders + place >= first
        ]
        if not latencies:
            raise Violation("no sender ever heard itself")
        times = latency.histogram(np.asarray(latencies, np.int64))
        self.histogram = latency.encoded(times)
        self.figures |= {
            "offered_per_s": rate_per_s,
            "latency_p50_ns": latency.percentile_ns(times, 50),
            "latency_p99_ns": latency.percentile_ns(times, 99),
            "send_lag_p99_ns": latency.percentile_ns(latency.histogram(lags[first:]), 99),
            **load.shares(before, after_sending),
        }

    def idle(self, *, clients: int) -> None:
        """Measure memory with nobody, then with this many clients that say nothing after they have joined."""
        empty = usage(self.server_pid).rss_bytes
        self.connect(clients)
        self.join(together=False)
        full = usage(self.server_pid).rss_bytes
        self.figures |= {
            "clients": clients,
            "rss_empty_bytes": empty,
            "rss_idle_bytes": full,
            "rss_per_client_bytes": (full - empty) / clients,
        }
