"""Connects a socket: the kernel's part of a client."""

from __future__ import annotations

import errno
import os
import socket

import anyio

from harness.addresses import Address
from harness.errors import CouldNotTell, Violation

CONNECT_S = 30.0


async def dial(address: Address, *, buffer_bytes: int, segment_bytes: int = 0) -> socket.socket:
    """Return a connected socket.

    Args:
        buffer_bytes: of its receive buffer, from the first byte: what is made smaller later drops what was promised
            room already, and a server's kernel then waits as long again as the client has not read.
        segment_bytes: that a segment has at most, unless it is 0.

    Raises:
        Violation: the server does not take the connection.
        CouldNotTell: it is this process that cannot open another one.
    """
    try:
        with anyio.fail_after(CONNECT_S):
            return await _connected(address, buffer_bytes, segment_bytes)
    except TimeoutError:
        raise Violation(f"connecting to {address} took over {CONNECT_S:.0f} s") from None
    except OSError as cause:
        if cause.errno in (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL):
            raise CouldNotTell(f"the harness cannot open another connection: {cause.strerror}") from None
        raise Violation(
            f"connecting to {address} failed: {os.strerror(cause.errno) if cause.errno else cause}"
        ) from None


async def _connected(address: Address, buffer_bytes: int, segment_bytes: int) -> socket.socket:
    raw = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        if segment_bytes:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        status = raw.connect_ex((address.host, address.port))
        if status == errno.EINPROGRESS:
            await anyio.wait_writable(raw)
            status = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            raise OSError(status, os.strerror(status))
    except BaseException:
        raw.close()
        raise
    return raw
