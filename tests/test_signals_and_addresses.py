"""What a launcher or a container leaves to the harness: signals, descriptors, ports, no terminals, no loopback."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from harness import addresses
from harness.addresses import Address, free_address, require_loopback, server_ports
from harness.conformance.api.dial import dial
from harness.errors import HarnessError, Inconclusive
from harness.model import Implementation
from harness.processes.warden import become_subreaper
from harness.servers.launch import launch
from harness.servers.process import spawn
from harness.servers.resources import DESCRIPTORS, raise_descriptor_limit
from tests.zoo import CONFORMING, command, harness, implementation

UNUSED = Address("127.0.0.1", 1)
# Changes the signals of a process, and then executes the command in its arguments.
LAUNCHER = """
import os, signal, sys
if sys.argv[1] == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
if sys.argv[1] == "no children":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[2], sys.argv[2:])
"""


def launched(how: str, *words: str) -> list[str]:
    """Return the words that run the command line with other signals than usual."""
    return [sys.executable, "-c", LAUNCHER, how, *command(*words)]


def shell(script: str) -> Implementation:
    return Implementation(name="shell", spec="broadcast", run=("/bin/sh", "-c", script))


@pytest.fixture
def unusual_signals() -> Iterator[None]:
    """This process with SIGTERM and SIGUSR1 blocked, and SIGHUP and SIGUSR2 ignored."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR1))
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGUSR2)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_server_starts_with_no_signal_blocked_or_ignored(unusual_signals: None) -> None:
    async with spawn(shell("exec grep '^Sig[BI]' /proc/self/status"), [], UNUSED) as server:
        await server.wait()
        while not server.stdout.closed:
            await server.stdout.changed.wait()
    assert [signals_of(line) for line in server.stdout.head.decode().splitlines()] == [0, 0]
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN  # this process is as it was
    assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_signals_that_came_blocked_are_not_held_against_a_server(tmp_path: Path) -> None:
    ran = subprocess.run(
        launched("blocked", "check", str(CONFORMING), "-k", "sigterm or sigint or clients_see_the_end"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "warn" not in ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_in_the_foreground_ignores_no_signal_either(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\nexec grep '^SigIgn' /proc/self/status\n")
    server.chmod(0o755)
    assert signals_of(harness("serve", server, folder=tmp_path).stdout) == 0


def signals_of(line: str) -> int:
    """Return the mask of a line of /proc/PID/status, without signals 32 and 33: these belong to the C library."""
    return int(line.split()[1], 16) & ~(0b11 << 31)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_build_has_its_exit_status_where_sigchld_came_ignored(tmp_path: Path) -> None:
    ran = subprocess.run(
        launched("no children", "build", "c_threads", "--spec", "broadcast"),
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_subreaper_gets_the_exit_status_of_its_children() -> None:
    handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        become_subreaper()
        assert subprocess.run(["false"], check=False).returncode == 1
    finally:
        signal.signal(signal.SIGCHLD, handler)


def _refuse(*arguments: object) -> int:
    raise OSError(errno.EPERM, "Operation not permitted")


async def test_a_server_is_waited_for_where_pidfd_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pidfd_open", _refuse, raising=False)
    async with launch(implementation(CONFORMING)) as server:
        with anyio.move_on_after(0.05) as patience:
            await server.wait()
        assert patience.cancelled_caught
        assert (await server.stop()).status == 0


async def test_standard_output_is_a_pipe_where_there_are_no_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "openpty", _refuse)
    async with spawn(shell("test -t 1 || echo a pipe"), [], UNUSED, terminal=True) as server:
        while not server.stdout.closed:
            await server.stdout.changed.wait()
    assert server.stdout.first_line == b"a pipe"


# --- descriptors


@pytest.mark.parametrize("soft, hard", [(1024, 10**9), (10**9, 10**9), (1024, resource.RLIM_INFINITY), (64, 4096)])
def test_the_descriptor_limit_is_raised_no_further_than_needed(
    soft: int, hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, new: limits.append(new))
    raise_descriptor_limit()
    assert limits == [(4096 if hard == 4096 else DESCRIPTORS, hard)]


# --- ports


@pytest.mark.parametrize(
    "first, last",
    [(32768, 60999), (49152, 65535), (10240, 32700), (1, 0), (10000, 65535), (9000, 40000)],
)
def test_servers_get_ports_that_no_client_takes(first: int, last: int) -> None:
    ports = server_ports(first, last)
    assert len(ports) >= 1000
    assert min(ports) >= 1024
    assert not [port for port in ports if first <= port <= last]


@pytest.mark.parametrize("first", [1024, 1025])
def test_where_clients_may_take_any_port_servers_get_those_that_clients_take_last(first: int) -> None:
    ports = server_ports(first, 65535)
    assert len(ports) >= 1000
    assert {port % 2 for port in ports} == {1 - first % 2}


def test_an_address_is_outside_the_range_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("10240\t32700\n")
    monkeypatch.setattr(addresses, "OUTGOING_PORTS", str(tmp_path / "range"))
    for _ in range(50):
        with free_address() as address:
            assert address.port > 32700 or address.port < 10240


# --- no loopback


def test_this_machine_can_connect_to_itself() -> None:
    require_loopback()


def test_a_loopback_that_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(HarnessError, match=r"cannot connect to itself over 127\.0\.0\.1 \(Network is unreachable\)"):
        require_loopback()


def _has_namespaces() -> bool:
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _has_namespaces(), reason="network namespaces are not allowed here")
@pytest.mark.parametrize("words", [("check", str(CONFORMING)), ("bench", str(CONFORMING)), ("run", str(CONFORMING))])
def test_without_loopback_no_server_is_blamed(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = subprocess.run(
        ["unshare", "-rn", *command(*words)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 3
    assert ran.stderr.startswith("harness: this machine cannot connect to itself")
    assert len(ran.stderr.splitlines()) == 1
    assert not ran.stdout


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EMFILE, errno.ENOBUFS])
async def test_a_connection_that_the_machine_refuses_is_no_fault_of_a_server(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*arguments: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("harness.conformance.api.dial._connected", refused)
    with pytest.raises(Inconclusive):
        await dial(UNUSED, os.getpid())
