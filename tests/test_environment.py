"""Machines and shells unlike those of a developer: many processors, few descriptors, full disks, strange variables."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness import addresses
from harness.addresses import free_address, has_ipv6
from harness.errors import HarnessError

# --- many processors

OF_256_PROCESSORS = """
import importlib, os, sys
os.cpu_count = lambda: 256
command = importlib.import_module(f"harness.commands.{sys.argv[1]}_command").command
print(command.make_context(sys.argv[1], []).params["jobs"])
"""


@pytest.mark.parametrize("name", ["check", "run", "build", "selftest"])
def test_a_machine_may_have_more_processors_than_jobs_can_be_asked_for(name: str) -> None:
    ran = subprocess.run([sys.executable, "-c", OF_256_PROCESSORS, name], capture_output=True, text=True, check=False)
    assert ran.stdout == "64\n", ran.stderr


# --- ports


@pytest.fixture
def one_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The only port that servers may get."""
    with free_address() as address:
        port = address.port
    monkeypatch.setattr(addresses, "server_ports", lambda first, last: [port])
    yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "0.0.0.0", "::1", "::"])
def test_no_server_gets_a_port_that_another_program_has_at_any_address(host: str, one_port: int) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, one_port), family=family),
        pytest.raises(HarnessError, match="no port is free"),
        free_address(),
    ):
        pass
    with free_address() as address:
        assert address.port == one_port


def test_a_port_is_found_where_there_is_no_ipv6_and_nothing_can_be_reserved(
    monkeypatch: pytest.MonkeyPatch, one_port: int
) -> None:
    class OldSocket(socket.socket):
        def __init__(self, family: int, kind: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, kind)

        def bind(self, address: object) -> None:
            if self.family == socket.AF_UNIX:
                raise PermissionError(errno.EACCES, "Permission denied")
            super().bind(address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "socket", OldSocket)
    with free_address() as address:
        assert address.port == one_port


def test_without_descriptors_the_search_for_a_port_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", refused)
    with (
        pytest.raises(HarnessError, match=r"no port on 127\.0\.0\.1 can be tried: Too many open files"),
        free_address(),
    ):
        pass
