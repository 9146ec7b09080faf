"""Connects clients by the thousand, many at a time, so that the server and not the swarm decides how long it takes.

While the server's queue of connections is full, the kernel drops further requests to connect, without an error, and
sends them again after one second, then after three. So an attempt that does not succeed at once is replaced by a new
one, first after a few milliseconds, then after twice as long each time.
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
from harness.errors import OF_THE_MACHINE, Inconclusive, Violation
from harness.processes.standstill import LoopClock

CONNECT_S = 30.0  # at most, without a new connection
AT_A_TIME = 256
PATIENCE_S = 0.005  # with the first attempt
CLIENTS_AN_ADDRESS = 5000  # of some 28,000 ports that each loopback address has: the last free ones take long to find
SMALL_BUFFER_BYTES, SMALL_SEGMENT_BYTES = 4096, 1400
IP_BIND_ADDRESS_NO_PORT = 24  # let the kernel choose the port in connect(2), where other addresses may use it as well


@dataclass
class Attempt:
    """An attempt to connect.

    Attributes:
        place: of the client, among those that `connect` connects.
        connection: its socket.
        gives_up_at: when to begin a new attempt, in monotonic s.
        patience_s: how long this attempt may take.
    """

    place: int
    connection: socket.socket
    gives_up_at: float
    patience_s: float


def connect(
    address: Address, count: int, *, first: int, step: int = 1, small_buffers: bool = False
) -> list[socket.socket]:
    """Return so many connections, in the order of their numbers; many are begun before the first one succeeds.

    Args:
        address: of the server.
        count: how many.
        first: the number of the first client, for error messages and for the choice of its source address.
        step: the difference between the numbers of two clients that follow each other.
        small_buffers: whether the kernel buffers only some 100 KB for a client that does not read, on both sides, and
            not 4 MB.

    Raises:
        Violation: the server refuses, or accepts no connection for CONNECT_S seconds.
        Inconclusive: this process can open no more connections.
    """
    connected: dict[int, socket.socket] = {}
    attempts: dict[int, Attempt] = {}
    waiting = deque((place, PATIENCE_S) for place in range(count))
    clock, progress_at = LoopClock(), 0.0
    try:
        with select.epoll() as poll:
            while len(connected) < count:
                while waiting and len(attempts) < AT_A_TIME:
                    place, patience_s = waiting.popleft()
                    connection = _begin(address, first + place * step, small_buffers)
                    attempts[connection.fileno()] = Attempt(
                        place, connection, time.monotonic() + patience_s, patience_s
                    )
                    poll.register(connection.fileno(), select.EPOLLOUT)
                for descriptor, _ in poll.poll(PATIENCE_S):
                    attempt = attempts.pop(descriptor)
                    poll.unregister(descriptor)
                    connected[attempt.place] = attempt.connection
                    _check(attempt.connection, first + attempt.place * step)
                    progress_at = clock.read()
                if clock.read() > progress_at + CONNECT_S:
                    number = first + step * min(attempt.place for attempt in attempts.values())
                    raise Violation(
                        f"client {number} could not connect: "
                        f"the server has accepted no connection for {CONNECT_S:.0f} s"
                    )
                now = time.monotonic()
                for attempt in [attempt for attempt in attempts.values() if attempt.gives_up_at < now]:
                    del attempts[attempt.connection.fileno()]
                    attempt.connection.close()
                    waiting.append((attempt.place, 2 * attempt.patience_s))
    except BaseException:
        for connection in (*connected.values(), *(attempt.connection for attempt in attempts.values())):
            connection.close()
        raise
    return [connected[place] for place in range(count)]


def _begin(address: Address, number: int, small_buffers: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise _refusal(number, error.errno or 0) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if small_buffers:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES
        )  # the sender's buffer follows it
    if address.host.startswith("127.") and number >= CLIENTS_AN_ADDRESS:
        connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((f"127.0.0.{1 + number // CLIENTS_AN_ADDRESS % 254}", 0))
    problem = connection.connect_ex((address.host, address.port))
    if problem not in (0, errno.EINPROGRESS, errno.EAGAIN):
        connection.close()
        raise _refusal(number, problem)
    return connection


def _check(connection: socket.socket, number: int) -> None:
    if problem := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise _refusal(number, problem)


def _refusal(number: int, problem: int) -> Violation | Inconclusive:
    """Return what an error of socket(2) or connect(2) means: the server refuses, or this machine."""
    if problem in OF_THE_MACHINE:
        return Inconclusive(f"the harness cannot connect client {number}: {os.strerror(problem)}")
    return Violation(f"client {number} could not connect: {os.strerror(problem)}")
