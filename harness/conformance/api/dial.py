"""Connects a socket: the kernel's part of a client."""

from __future__ import annotations

import errno
import os
import socket

import anyio
import anyio.lowlevel

from harness.addresses import Address
from harness.errors import OF_THE_MACHINE, Inconclusive, Violation
from harness.processes.proc import cpu_wait_s

CONNECT_S = 30.0
STARVED_S = 5.0  # of waiting for a processor excuse a server that does not accept
SEGMENT_BYTES = 1460  # as on Ethernet
READING_BYTES = 256 * 1024  # of the kernel's memory, in which a notice of ten bytes occupies hundreds
SMALL_BYTES = 16384


async def dial(
    address: Address, pid: int, *, small: bool = False, local: tuple[str, int] | None = None
) -> socket.socket:
    """Return a connected socket.

    Args:
        address: where the server listens.
        pid: its process.
        small: whether it gets a small buffer and the segments of a real network. Loopback's segments are 64 KB, for
            which the server's kernel allocates a buffer of megabytes at once: a server would notice late that a
            client does not read, and a case would have to fill that buffer for every backlog. Clients that read
            get large buffers: our own delays must not look like slowness.
        local: the host and port to connect from; None for any.

    Raises:
        Violation: the server does not accept the connection.
        Inconclusive: this process cannot open another connection, cannot have the local address, or a late server has
            waited for a processor.
    """
    try:
        with anyio.fail_after(CONNECT_S):
            return await _connected(address, small, local)
    except TimeoutError:
        if cpu_wait_s(pid) > STARVED_S:
            raise Inconclusive(f"connecting took over {CONNECT_S:.0f} s, but the machine was too busy") from None
        raise Violation(f"connecting to {address} took over {CONNECT_S:.0f} s") from None
    except OSError as cause:
        if cause.errno in OF_THE_MACHINE:
            raise Inconclusive(f"the harness cannot open another connection: {cause.strerror}") from None
        raise Violation(
            f"connecting to {address} failed: {os.strerror(cause.errno) if cause.errno else cause}"
        ) from None


async def _connected(address: Address, small: bool, local: tuple[str, int] | None) -> socket.socket:
    raw = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        # Before connecting: a buffer that shrinks later drops bytes for which it has announced room, and the server's
        # kernel then waits before it sends them again, for as long as the client had not read.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES if small else READING_BYTES)
        if small:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local:
            _bind(raw, local)
        status = raw.connect_ex((address.host, address.port))
        if status == errno.EINPROGRESS:
            await anyio.lowlevel.checkpoint()
            status = raw.connect_ex((address.host, address.port))  # on loopback it has succeeded by now
        if status == errno.EALREADY:
            await anyio.wait_writable(raw)
            status = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status not in (0, errno.EISCONN):
            raise OSError(status, os.strerror(status))
    except BaseException:
        raw.close()
        raise
    return raw


def _bind(raw: socket.socket, local: tuple[str, int]) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        raw.bind(local)
    except OSError as cause:
        raise Inconclusive(f"{local[0]}:{local[1]} cannot be used here: {cause.strerror}") from None
