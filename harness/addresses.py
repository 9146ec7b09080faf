"""Addresses for servers: free ports that no other process of the harness is about to use."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

# Below the range from which kernels take ports for outgoing connections, so that no client takes the port between the
# check that it is free and the server's bind.
PORTS = range(10240, 32700)
TRIES = 2000


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
    for port in (random.choice(PORTS) for _ in range(TRIES)):
        reservation = _reserve(port)
        if reservation is None:
            continue
        with reservation:
            if _is_free(host, port):
                yield Address(host, port)
                return
    raise OSError(f"no free port on {host} in {TRIES} tries")


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
