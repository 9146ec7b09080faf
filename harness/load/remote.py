"""Connections between the processes of a load on several machines: over TCP, in the place of pipes to child processes.

A process on another machine listens, and rank 0 connects to it. Both prove that they know the key of the load, with the
challenges of `multiprocessing.connection`, before anything is unpickled: whoever sends pickles can run code. Nothing is
encrypted, as in Dask without TLS.

The kernel closes a connection whose other side has not answered for LOST_S seconds, so no process waits for one on a
machine that is lost.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any

from harness.addresses import Address
from harness.errors import HarnessError
from harness.load.processes import FirstProcessLost, LoadProcesses

CONNECT_S = 30.0
HANDSHAKE_S = 10
LOST_S = 30
IDLE_S, PROBE_S = 10, 5  # before the first probe of a connection on which nothing is sent, and between two of them


class RemotePeer:
    """A process of the load on another machine, which ends when its connection does.

    Args:
        line: the connection.
        name: of the process, for people: where it listened.
    """

    def __init__(self, line: Connection, name: str) -> None:
        self._line, self._name = line, name

    def has_ended(self) -> bool:
        """Return whether it has closed its connection, and everything that it has sent was received."""
        try:
            with socket.socket(fileno=socket.dup(self._line.fileno())) as connection:
                return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def how_it_ended(self) -> str:
        """Return how it ended, as far as that can be known here."""
        return f"({self._name}) has ended, or its machine is lost: its connection is closed"

    def end(self) -> None:
        """Do nothing: it ends because its connection has been closed."""


def connect_shares(addresses: Sequence[str], key: bytes) -> LoadProcesses:
    """Return the processes of a load, for rank 0, connected to the others.

    Args:
        addresses: where the others listen, in the order of their ranks.
        key: of the load.

    Raises:
        HarnessError: one of them cannot be reached, or has another key.
    """
    lines: list[Connection] = []
    try:
        for each in addresses:
            address = Address.parse(each)
            connection = socket.create_connection((address.host, address.port), CONNECT_S)
            lines.append(_authenticated(connection, key, is_first=True))
    except (OSError, EOFError, AuthenticationError) as error:
        for line in lines:
            line.close()
        raise HarnessError(f"the process of the load at {each} cannot be reached: {error or 'it has ended'}") from None
    peers = [RemotePeer(line, name) for line, name in zip(lines, addresses, strict=True)]
    return LoadProcesses(0, 1 + len(lines), lines, peers, are_remote=True)


class ShareListener:
    """Listens for rank 0 of a load, in a process on another machine.

    Args:
        host: the address of this machine that the others can reach.

    Attributes:
        address: where it listens.
    """

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.address = Address(host, self._listener.getsockname()[1])

    def accept(self, key: bytes, wait_s: float) -> tuple[LoadProcesses, Any]:
        """Return the processes and the request of the load, when rank 0 has connected; listen no more.

        Connections of others, who do not know the key, are closed.

        Args:
            key: of the load.
            wait_s: how long to wait.

        Raises:
            FirstProcessLost: rank 0 has not connected in time, or has ended.
        """
        until = time.monotonic() + wait_s
        with self._listener:
            while (left_s := until - time.monotonic()) > 0:
                self._listener.settimeout(left_s)
                with suppress(OSError, EOFError, AuthenticationError):
                    line = _authenticated(self._listener.accept()[0], key, is_first=False)
                    break
            else:
                raise FirstProcessLost
        try:
            rank, count, _, request = line.recv()
        except (EOFError, OSError):
            raise FirstProcessLost from None
        return LoadProcesses(rank, count, [line], are_remote=True), request


def _authenticated(connection: socket.socket, key: bytes, *, is_first: bool) -> Connection:
    """Return a connection of `multiprocessing` over a socket, when both sides have proved that they know the key.

    Args:
        connection: the socket, which is closed in any case.
        key: of the load.
        is_first: whether this process is rank 0.

    Raises:
        OSError, EOFError: the other side has ended, or says nothing.
        AuthenticationError: it has another key.
    """
    with connection:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, (LOST_S - IDLE_S) // PROBE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_S * 1000)
        _limit_reads(connection, HANDSHAKE_S)
        line = Connection(os.dup(connection.fileno()))
        try:
            for prove in (answer_challenge, deliver_challenge)[:: 1 if is_first else -1]:
                prove(line, key)
        except BaseException:
            line.close()
            raise
        _limit_reads(connection, 0)
        return line


def _limit_reads(connection: socket.socket, seconds: int) -> None:
    """Let reads on a socket, and on its duplicates, fail after so long; 0 for never."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, 0))
