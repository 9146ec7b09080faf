"""Addresses for servers: free ports that no other process of the harness is about to use."""

from __future__ import annotations

import contextlib
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
    than Linux, which have none, the port is only checked. A port with connections in TIME_WAIT is not used.
    """
    ports = server_ports(*_outgoing_ports())
    for port in random.sample(ports, min(TRIES, len(ports))):
        reservation = _reserve(port)
        if reservation is None:
            continue
        with reservation:
            if _is_free(host, port):
                yield Address(host, port)
                return
    raise OSError(f"no free port on {host} in {TRIES} tries")


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


def _reserve(port: int) -> contextlib.AbstractContextManager[object] | None:
    if sys.platform != "linux":
        return contextlib.nullcontext()
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        reservation.bind(f"\0zillions-port-{port}")
    except OSError:
        reservation.close()
        return None
    return reservation


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def has_ipv6() -> bool:
    """Return whether this machine has the IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
