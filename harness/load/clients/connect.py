"""Connects clients by the thousand, many at a time, so that the server and not the swarm decides how long it takes.

A server whose queue of connections is full lets the kernel drop what would be one more, and the kernel tries again
after a second, then after three. Nobody is told. So a connection that does not come about at once is begun anew,
first after a few milliseconds, then after twice as long each time.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections import deque
from dataclasses import dataclass

from harness.addresses import Address
from harness.errors import Violation

CONNECT_S = 30.0  # at most, until another one has come about
AT_A_TIME = 256
PATIENCE_S = 0.005  # with the first try
CLIENTS_AN_ADDRESS = 5000  # each loopback address of ours has some 28,000 ports, and finding a free one takes longer
SMALL_BUFFER_BYTES, SMALL_SEGMENT_BYTES = 4096, 1400
IP_BIND_ADDRESS_NO_PORT = 24  # the kernel chooses the port in connect(2), where it may be one that others use elsewhere


@dataclass
class Attempt:
    """A connection that has been begun; times in monotonic s."""

    place: int
    connection: socket.socket
    gives_up_at: float
    patience_s: float


def connect(
    address: Address, count: int, *, first: int, step: int = 1, small_buffers: bool = False
) -> list[socket.socket]:
    """Return this many connections, in the order of their numbers, without waiting for one before the next begins.

    Args:
        first: the number of the first of them, in words for people and for the choice of its source address.
        step: from each number to the next.
        small_buffers: the kernel shall keep some 100 KB for a client that does not read, on both sides, and not 4 MB.

    Raises:
        Violation: the server refuses, or takes no connection for CONNECT_S seconds.
    """
    made: dict[int, socket.socket] = {}
    under_way: dict[int, Attempt] = {}
    waiting = deque((place, PATIENCE_S) for place in range(count))
    progress_at = time.monotonic()
    try:
        with select.epoll() as poll:
            while len(made) < count:
                while waiting and len(under_way) < AT_A_TIME:
                    place, patience_s = waiting.popleft()
                    one = _begin(address, first + place * step, small_buffers)
                    under_way[one.fileno()] = Attempt(place, one, time.monotonic() + patience_s, patience_s)
                    poll.register(one.fileno(), select.EPOLLOUT)
                for descriptor, _ in poll.poll(PATIENCE_S):
                    attempt = under_way.pop(descriptor)
                    poll.unregister(descriptor)
                    made[attempt.place] = attempt.connection
                    _must_stand(attempt.connection, first + attempt.place * step)
                    progress_at = time.monotonic()
                now = time.monotonic()
                if now > progress_at + CONNECT_S:
                    raise Violation(
                        f"client {first + step * min(one.place for one in under_way.values())} could not connect: "
                        f"the server has taken no connection for {CONNECT_S:.0f} s"
                    )
                for attempt in [one for one in under_way.values() if one.gives_up_at < now]:
                    del under_way[attempt.connection.fileno()]
                    attempt.connection.close()
                    waiting.append((attempt.place, 2 * attempt.patience_s))
    except BaseException:
        for one in (*made.values(), *(attempt.connection for attempt in under_way.values())):
            one.close()
        raise
    return [made[place] for place in range(count)]


def _begin(address: Address, number: int, small_buffers: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise Violation(f"client {number} could not connect: {error.strerror}") from None
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if small_buffers:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)  # the sender's buffer follows it
    if address.host.startswith("127.") and number >= CLIENTS_AN_ADDRESS:
        one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        one.bind((f"127.0.0.{1 + number // CLIENTS_AN_ADDRESS % 254}", 0))
    problem = one.connect_ex((address.host, address.port))
    if problem not in (0, errno.EINPROGRESS, errno.EAGAIN):
        one.close()
        raise Violation(f"client {number} could not connect: {os.strerror(problem)}")
    return one


def _must_stand(one: socket.socket, number: int) -> None:
    if problem := one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise Violation(f"client {number} could not connect: {os.strerror(problem)}")
