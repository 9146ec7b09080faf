"""Addresses for servers: free ports that no other process of the harness is about to use."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

PORTS = range(10240, 32700)  # preferred: most systems take no ports for outgoing connections from there
ENOUGH_PORTS = 1000
TRIES = 2000
OUTGOING_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
WAITING = "/proc/sys/net/core/somaxconn"
PROBE_S = 5.0  # to connect over loopback to this process itself


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address written as HOST:PORT or [HOST]:PORT; raise ValueError for any other text."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"not an address (HOST:PORT or [HOST]:PORT): {text}")
        return cls(host, int(port))


@contextlib.contextmanager
def free_address(host: str = "127.0.0.1") -> Iterator[Address]:
    """Yield an address with a free port, which is reserved among all processes of the harness for the context.

    The reservation is an abstract Unix socket, which the kernel releases however this process ends. On systems other
    than Linux, which have none, the port is only checked. A port with connections in TIME_WAIT is not used, nor one
    that another program has at any address of this machine: who looks where the server listens would find that one.

    Raises:
        HarnessError: there is no such port, or this process can open no socket.
    """
    ports = server_ports(*_outgoing_ports())
    for port in random.sample(ports, min(TRIES, len(ports))):
        try:
            reservation = _reserve(host, port)
        except OSError as error:
            raise HarnessError(f"no port on {host} can be tried: {os.strerror(error.errno or 0)}") from None
        if reservation:
            with reservation:
                yield Address(host, port)
            return
    raise HarnessError(f"no port is free on {host}, in {TRIES} tries")


def server_ports(first: int, last: int) -> Sequence[int]:
    """Return ports for servers, none of which a client takes between the check that it is free and the server's bind.

    Where the range for outgoing connections leaves too few others, they are ports in it: connect(2) prefers every
    second port, beginning with the first one of the range (Linux, `__inet_hash_connect`); these are the others.

    Args:
        first: the first port that the kernel takes for outgoing connections.
        last: the last one.
    """
    for ports in (PORTS, range(1024, 65536)):
        others = [port for port in ports if not first <= port <= last]
        if len(others) >= ENOUGH_PORTS:
            return others
    return [port for port in PORTS if (port - first) % 2]


def _outgoing_ports() -> tuple[int, int]:
    """Return the first and the last port for outgoing connections; an empty range where the kernel does not say."""
    try:
        first, last = map(int, Path(OUTGOING_PORTS).read_text().split())
    except (OSError, ValueError):
        return 1, 0
    return first, last


def require_loopback(host: str = "127.0.0.1") -> None:
    """Check that this machine can connect to itself, which everything here needs.

    Raises:
        HarnessError: it cannot, e.g. because the loopback interface is down, as it is in a new network namespace.
    """
    try:
        with (
            socket.create_server((host, 0)) as listener,
            socket.create_connection(listener.getsockname(), PROBE_S),
        ):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise HarnessError(
            f"this machine cannot connect to itself over {host} ({reason}): "
            "is the loopback interface up? `ip link set lo up` brings it up"
        ) from None


def _reserve(host: str, port: int) -> socket.socket | None:
    """Return a reservation, or None if the port is not free; raise OSError if this process can open no socket."""
    with contextlib.ExitStack() as stack:
        reservation = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        if sys.platform == "linux":
            try:
                reservation.bind(f"\0zillions-port-{port}")
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return None
                # The kernel allows no such sockets here, as some sandboxes do: the port is only checked.
        if not _is_free(host, port):
            return None
        stack.pop_all()
    return reservation


def _is_free(host: str, port: int) -> bool:
    """Return whether a server can have this address, and no other program has the port anywhere."""
    return _can_bind(host, port) and not any(_is_in_use(everywhere, port) for everywhere in ("0.0.0.0", "::"))


def _can_bind(host: str, port: int) -> bool:
    with _probe(host) as probe, contextlib.suppress(OSError):
        probe.bind((host, port))
        return True
    return False


def _is_in_use(host: str, port: int) -> bool:
    """Return whether a program has a port; none has it in a family of addresses that this machine lacks."""
    try:
        with _probe(host) as probe:
            probe.bind((host, port))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return error.errno == errno.EADDRINUSE
    return False


def _probe(host: str) -> socket.socket:
    """Return an unbound socket of the family of an address, for that family alone."""
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if probe.family == socket.AF_INET6:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return probe


def has_ipv6() -> bool:
    """Return whether this machine has the IPv6 loopback."""
    return has_address("::1")


def has_address(host: str) -> bool:
    """Return whether a server on this machine could have an address."""
    try:
        with _probe(host) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def few_may_wait(count: int) -> str:
    """Return a sentence if the kernel lets fewer connections than this wait until a server accepts them, or ""."""
    try:
        allowed = int(Path(WAITING).read_text())
    except (OSError, ValueError):  # another system, or a container without it
        return ""
    return f"only {allowed} connections may wait to be accepted here (net.core.somaxconn)" if allowed < count else ""
