"""A server that this user may not look into: no figure of it is zero, and no verdict rests on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from harness.conformance.api.room import Room
from harness.conformance.outcome import verdict_of
from harness.errors import Violation
from harness.model import Level, Usage, Verdict
from harness.servers import resources
from harness.servers.launch import launch
from harness.servers.resources import Unreadable, usage
from tests.zoo import CONFORMING, MISFITS, harness, implementation

HIDING = MISFITS / "hides_what_it_uses.py"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may see the descriptors of a process, as if it were not dumpable."""

    def refuse(process: psutil.Process) -> int:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "num_fds", refuse)


def test_what_may_not_be_read_is_not_zero(child: subprocess.Popen[bytes], forbidden: None) -> None:
    with pytest.raises(Unreadable, match="its resources cannot be read here"):
        usage(child.pid)


def test_a_process_that_has_ended_is_not_unreadable(child: subprocess.Popen[bytes], forbidden: None) -> None:
    """Its files belong to root, until its parent has waited for it."""
    child.communicate(b"\n")
    assert usage(child.pid) == Usage(0, 0, 0, 0, 0.0)
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert usage(zombie.pid) == Usage(0, 0, 0, 0, 0.0)


def test_that_it_cannot_be_read_is_no_verdict() -> None:
    assert verdict_of(Level.MUST, Unreadable())[0] is Verdict.UNKNOWN


async def test_such_a_server_still_starts_and_ends(forbidden: None) -> None:
    async with launch(implementation(CONFORMING)) as server:
        assert server.resource_usage() is None
        assert (await server.stop()).status == 0


def test_a_process_that_cannot_even_be_seen_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the mount option hidepid of /proc."""
    monkeypatch.setattr(psutil, "Process", lambda pid: _raise(psutil.NoSuchProcess(pid)))
    statuses: list[int | None] = [None, None, None, 0]
    room: Any = SimpleNamespace(server=SimpleNamespace(pid=os.getpid()))
    room.check_alive = lambda: _raise(Violation("it has ended")) if statuses.pop(0) is not None else None
    with pytest.raises(Unreadable):
        Room.usage(room)
    with pytest.raises(Violation, match="it has ended"):  # between the two looks
        Room.usage(room)


def _raise(error: Exception) -> None:
    raise error


def test_a_process_without_memory_is_ending() -> None:
    assert resources._has_memory(os.getpid())
    assert not resources._has_memory(2**22 + 1)  # larger than any pid


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may see all processes")
def test_a_check_of_a_server_that_spins_unseen_is_undecided(tmp_path: Path) -> None:
    ran = harness("check", HIDING, "-k", "idle", "--json", "verdicts.json", folder=tmp_path)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    (case,) = json.loads((tmp_path / "verdicts.json").read_text())["results"][0]["cases"]
    assert case["message"].startswith("its resources cannot be read here")
