"""No server process survives the harness, however it ends.

This process becomes a subreaper, so that whatever the harness lets go becomes a child of ours and is seen.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.processes import warden
from tests.zoo import MISFITS, command

SEEN_S = 30.0
GONE_S = 20.0
WORST = [MISFITS / name for name in ("forks_a_child.py", "forks_a_stranger.py", "ignores_sigterm.py")]


def below() -> dict[int, str]:
    """Return what is below this process, zombies reaped and left out: pid → command."""
    found = {}
    for pid in warden.descendants(os.getpid()):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found[pid] = " ".join(process.cmdline())
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Look at other processes until it is so."""
    deadline = time.monotonic() + seconds
    while not (so := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)  # nobody tells us of the children of others
    return so


def nothing_left(harness: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(ChildProcessError):
        for pid in warden.children(os.getpid()):
            if pid != harness.pid:
                os.waitpid(pid, os.WNOHANG)
    return not below()


@pytest.mark.parametrize("words", [("check", "--jobs", "3"), ("bench",)], ids=lambda words: str(words[0]))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_survives_a_signal(words: tuple[str, ...], number: signal.Signals, tmp_path: Path) -> None:
    warden.become_subreaper()
    running = subprocess.Popen(
        command(*words, *map(str, WORST)),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        served = wait_for(lambda: any("misfits" in one for pid, one in below().items() if pid != running.pid), SEEN_S)
        assert served, "no server was ever running"
        running.send_signal(number)
        _, complaints = running.communicate(timeout=GONE_S)
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {below()}"
    finally:
        running.kill()
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number
        assert b"Traceback" not in complaints
        assert b"every server has been ended" in complaints


def test_it_ends_by_sigterm_where_sigint_came_ignored(tmp_path: Path) -> None:
    """As a shell without job control starts what it puts into the background."""
    warden.become_subreaper()
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command("check", *map(str, WORST))]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        served = wait_for(lambda: any("misfits" in one for pid, one in below().items() if pid != running.pid), SEEN_S)
        assert served, "no server was ever running"
        running.send_signal(signal.SIGTERM)
        assert running.wait(GONE_S) == 128 + signal.SIGTERM
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {below()}"
    finally:
        running.kill()


def test_nothing_survives_an_ordinary_end(tmp_path: Path) -> None:
    warden.become_subreaper()
    running = subprocess.Popen(command("check", "--smoke", *map(str, WORST)), cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        assert running.wait(60) == 0
        assert wait_for(lambda: nothing_left(running), 1), f"left behind: {below()}"
    finally:
        running.kill()
