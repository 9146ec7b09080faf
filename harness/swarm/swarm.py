"""A swarm: clients that load one server and keep the accounts of it.

A workload asks for clients, then for a load: flat out within a window, or at a rate on a schedule, or both, with
guests that come and go or without. After each load every delivery has been verified: bytes that were sent, to a topic
that was asked for, nobody told twice, one order for all.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from harness.addresses import Address
from harness.codec import Codec, Decoder, bodies_of
from harness.errors import Violation
from harness.resources import usage
from harness.swarm import latency
from harness.swarm.churn import Churn
from harness.swarm.drive import Flood, Pace, drive
from harness.swarm.frames import Voice
from harness.swarm.load import QUIET_S, Load

CONNECT_S = 30.0
JOIN_S = 30.0


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
    subscriptions: list[tuple[int, ...]] = field(default_factory=list)

    def connect(self, count: int, topics: Sequence[int] = (0,)) -> None:
        """Connect this many more clients, that ask for these topics."""
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            number = len(self.sockets)
            self.sockets.append(one)
            self.subscriptions.append(tuple(topics))
            one.settimeout(CONNECT_S)
            try:
                one.connect((self.address.host, self.address.port))
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.sendall(self.codec.join(number, topics))
            except OSError as error:
                raise Violation(f"client {number} could not connect: {error}") from None

    def voices(self, count: int, topic: int = 0) -> list[Voice]:
        """Return this many of those who hear a topic, to speak to it.

        They are spread over the room: many servers serve in the order of joining, and the first would look fast.
        """
        hearers = [client for client, topics in enumerate(self.subscriptions) if topic in topics]
        return [Voice(hearers[(2 * place + 1) * len(hearers) // (2 * count)], topic) for place in range(count)]

    def close(self) -> None:
        """Disconnect all clients."""
        for one in self.sockets:
            one.close()

    def join(self, *, together: bool = True) -> None:
        """Return when all clients have heard that they are in the room, each in all of its topics.

        Args:
            together: go on until all have heard one and the same message of each topic, and nothing behind it. A
                server may drop it for somebody, and then all try anew with another.

        Raises:
            Violation: that does not come about in JOIN_S seconds.
        """
        decoders = [self.codec.replies() for _ in self.sockets]
        places = {one.fileno(): place for place, one in enumerate(self.sockets)}
        speakers = {topic: client for client, topics in enumerate(self.subscriptions) for topic in topics}
        marks: dict[bytes, int] = {}  # of this round, by body, and their topics
        waiting: dict[int, set[int]] = {client: set(topics) for client, topics in enumerate(self.subscriptions)}
        deadline, rounds = time.monotonic() + JOIN_S, 0
        with select.epoll() as poll:
            for one in self.sockets:
                one.setblocking(False)
                poll.register(one.fileno(), select.EPOLLIN)
            while waiting:
                if time.monotonic() > deadline:
                    raise Violation(
                        f"{len(waiting)} of {len(self.sockets)} clients did not hear, in {JOIN_S:.0f} s, "
                        f"any one of {rounds} messages that were sent to find out who is in the room"
                    )
                marks = {} if together else marks
                for topic, client in speakers.items():
                    body = self.codec.body(b"mark %d" % rounds, topic)
                    marks[body] = topic
                    with suppress(BlockingIOError):
                        self.sockets[client].send(self.codec.encode(body))
                if together:
                    waiting = {client: set(topics) for client, topics in enumerate(self.subscriptions)}
                while waiting and (ready := poll.poll(QUIET_S)):
                    for descriptor, _ in ready:
                        place = places[descriptor]
                        for body in self._bodies(place, decoders[place]):
                            if (heard := marks.get(body)) is not None and place in waiting:
                                waiting[place].discard(heard)
                        if place in waiting and not waiting[place]:
                            del waiting[place]
                rounds += 1

    def _bodies(self, place: int, decoder: Decoder) -> list[bytes]:
        """Receive for a client; return the bodies of what has come, all of which are marks of ours."""
        try:
            bodies = bodies_of(decoder.feed(self._receive(place)))
        except ValueError as error:
            raise Violation(f"client {place} received bytes that are not of this protocol: {error}") from None
        if any(b"mark " not in body for body in bodies):
            raise Violation(f"client {place} received what nobody has sent, before the load began")
        return bodies

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

    def flat_out(
        self, voices: Sequence[Voice], *, window: int, text_bytes: int, warm_up_s: float, seconds: float
    ) -> None:
        """Send as fast as the window lets, and count deliveries.

        Args:
            window: messages on their way at a time, over all voices: sent and not yet heard by who speaks.
            warm_up_s, seconds: before the counting, and of it.
        """
        load = self._load(voices, text_bytes)
        self._run(load, warm_up_s, seconds, Flood(load, load.senders, window))

    def paced(
        self, voices: Sequence[Voice], *, rate_per_s: float, text_bytes: int, warm_up_s: float, seconds: float
    ) -> None:
        """Send on a schedule, whatever the server does, and take latencies from the intended times.

        Message n is due n / rate seconds after the start, and is said by the voice n modulo their number. Each
        times its own messages. Messages of the warm-up are sent and verified, and not counted.
        """
        load = self._load(voices, text_bytes)
        self._run(load, warm_up_s, seconds, pace=Pace(load, load.senders, rate_per_s))

    def paced_beside_flood(
        self,
        loud: Sequence[Voice],
        light: Sequence[Voice],
        *,
        window: int,
        rate_per_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Let some speak flat out and others on a schedule, of whom the latencies are."""
        load = self._load([*loud, *light], text_bytes)
        flood = Flood(load, load.senders[: len(loud)], window)
        self._run(load, warm_up_s, seconds, flood, Pace(load, load.senders[len(loud) :], rate_per_s))

    def paced_beside_guests(
        self,
        voices: Sequence[Voice],
        *,
        rate_per_s: float,
        guests_per_s: float,
        stay_s: float,
        text_bytes: int,
        warm_up_s: float,
        seconds: float,
    ) -> None:
        """Send on a schedule while guests come, hear, and leave; tell how long they waited for their first message."""
        load = self._load(voices, text_bytes)
        churn = Churn(
            self.address, self.codec, load, rate_per_s=guests_per_s, stay_s=stay_s, topics=self.subscriptions[0]
        )
        self._run(load, warm_up_s, seconds, pace=Pace(load, load.senders, rate_per_s), churn=churn)
        if not churn.waits_ns:
            raise Violation("no guest ever heard anything")
        waits = latency.histogram(np.asarray(churn.waits_ns, np.int64))
        self.figures |= {
            "guests": len(churn.waits_ns) + churn.deaf,
            "deaf_guests": churn.deaf,
            "guest_p50_ns": latency.percentile_ns(waits, 50),
            "guest_p99_ns": latency.percentile_ns(waits, 99),
        }

    def _load(self, voices: Sequence[Voice], text_bytes: int) -> Load:
        return Load(self.sockets, self.subscriptions, self.codec, self.server_pid, voices, text_bytes)

    def _run(
        self,
        load: Load,
        warm_up_s: float,
        seconds: float,
        flood: Flood | None = None,
        pace: Pace | None = None,
        churn: Churn | None = None,
    ) -> None:
        """Do all that is asked for, at once; verify it; leave the figures of what it was."""
        before = load.account()
        for duration in (warm_up_s, seconds):
            before = load.account()
            if pace:
                pace.count_from_here()
            drive(load, duration, pace, churn)
        after = load.account()
        if churn:
            churn.end()
        load.finish()
        if pace:
            pace.note()
            pace.check()
        deliveries = after.deliveries - before.deliveries
        self.figures |= load.shares(before, after)
        if flood:
            self.figures |= {
                "deliveries_per_s": deliveries / (after.at - before.at),
                "server_cpu_ns_per_delivery": (after.server_cpu_s - before.server_cpu_s) / max(1, deliveries) * 1e9,
                "window": flood.window,
            }
        if pace:
            times = pace.latencies.whole()
            self.histogram = latency.encoded(times)
            self.figures |= {
                "offered_per_s": pace.rate_per_s,
                "latency_p50_ns": latency.percentile_ns(times, 50),
                "latency_p99_ns": latency.percentile_ns(times, 99),
                "send_lag_p99_ns": latency.percentile_ns(pace.lags.whole(), 99),
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
