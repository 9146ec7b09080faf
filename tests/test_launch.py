"""Servers that misbehave as processes: each error says what happened and what was expected."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import anyio
import pytest

from harness.addresses import Address, free_address
from harness.errors import LaunchError
from harness.processes import warden
from harness.servers.launch import launch
from tests.zoo import CONFORMING, MISFITS, implementation

READY_S = 3.0


def misfit(name: str) -> Path:
    return MISFITS / name


@pytest.mark.parametrize(
    ("name", "happened"),
    [
        ("never_ready.py", r"printed no ready line in 3 s .*hangs, or its standard output is not flushed"),
        ("exits_at_once.py", r'exited with status 3 before its ready line \(expected "listening on .*last words: '),
        ("dies_of_a_signal.py", r"was ended by SIGSEGV before its ready line"),
        ("dies_of_a_signal_without_a_name.py", r"was ended by signal 35 before its ready line"),
        ("other_first_line.py", r"printed 'Server started on .*' as its first line .*logs to standard error"),
        ("floods_before_ready.py", r"printed \d+ bytes without a line end"),
        ("closes_stdout.py", r"closed its standard output before its ready line, but is still running"),
        ("not_executable.py", r"is not executable; make it executable: chmod \+x"),
        ("not_a_program", r"cannot be started: .*expected an executable for this machine, or a script that begins"),
        ("is_not_there", r"cannot be started: there is no file"),
    ],
)
async def test_a_failed_start_is_explained(name: str, happened: str) -> None:
    with pytest.raises(LaunchError) as caught:
        async with launch(implementation(misfit(name)), ready_s=READY_S):
            pass
    assert re.search(happened, str(caught.value), re.DOTALL), caught.value
    assert warden.descendants(os.getpid()) == []


@pytest.mark.parametrize("name", ["floods_stdout.py", "floods_stderr.py"])
async def test_a_gigabyte_of_output_is_read_and_discarded(name: str) -> None:
    async with launch(implementation(misfit(name))) as server:
        flooded = server.stdout if "stdout" in name else server.stderr
        with anyio.fail_after(240):
            while flooded.byte_count < 10**9:
                await flooded.changed.wait()
        assert len(flooded.head) + len(flooded.tail) < 10_000


async def test_a_server_that_ignores_sigterm_is_killed() -> None:
    async with launch(implementation(misfit("ignores_sigterm.py"))) as server:
        stopped = await server.stop(signal.SIGTERM, grace_s=0.3)
    assert stopped.killed
    assert stopped.status == -signal.SIGKILL


@pytest.mark.parametrize("name", ["forks_a_child.py", "forks_another_program.py"])
async def test_processes_left_behind_are_reported_and_killed(name: str) -> None:
    async with launch(implementation(misfit(name))) as server:
        stopped = await server.stop(grace_s=20)
    assert len(stopped.left_behind) == 1
    assert not stopped.killed
    assert warden.descendants(os.getpid()) == []


async def test_a_conforming_server_starts_reports_its_address_and_ends() -> None:
    async with launch(implementation(CONFORMING), address=Address("127.0.0.1", 0)) as server:
        assert server.address.port
        assert server.status is None
        stopped = await server.stop()
    assert (stopped.status, stopped.killed, stopped.left_behind) == (0, False, [])


def test_an_address_is_reserved_once() -> None:
    with free_address() as first, free_address() as second:
        assert first.port != second.port
        assert str(first) == f"127.0.0.1:{first.port}"


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:port", "host:65536", "host:-1"])
def test_an_invalid_address_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


def test_an_ipv6_address_has_brackets() -> None:
    assert Address.parse("[::1]:80") == Address("::1", 80)
    assert str(Address("::1", 80)) == "[::1]:80"
