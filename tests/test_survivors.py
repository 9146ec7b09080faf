"""No server process survives the harness, however it ends.

This process becomes a subreaper, so that every process that the harness leaves behind becomes our child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from harness.processes import warden
from tests.zoo import COMMAND_S, MISFITS, command

SEEN_S = 120.0
GONE_S = 60.0
WORST = [MISFITS / name for name in ("forks_a_child.py", "forks_another_program.py", "ignores_sigterm.py")]


def processes_below() -> dict[int, str]:
    """Return the processes below this one, without zombies: pid → command."""
    processes = {}
    for pid in warden.descendants(os.getpid()):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                processes[pid] = " ".join(process.cmdline())
    return processes


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll other processes until a condition is true; return whether it was in time."""
    deadline = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)  # other processes' children set no event of ours
    return is_true


def nothing_left(harness: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(ChildProcessError):
        for pid in warden.children(os.getpid()):
            if pid != harness.pid:
                os.waitpid(pid, os.WNOHANG)
    return not processes_below()


def is_serving(harness: subprocess.Popen[bytes]) -> bool:
    """Return whether the harness has started a server."""
    return any("misfits" in words for pid, words in processes_below().items() if pid != harness.pid)


@pytest.mark.parametrize("words", [("check", "--jobs", "3"), ("bench",)], ids=lambda words: str(words[0]))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_survives_a_signal(words: tuple[str, ...], number: signal.Signals, tmp_path: Path) -> None:
    must_end(words, number, tmp_path)


@pytest.mark.parametrize(
    "number",
    [
        *(signal.SIGALRM, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGVTALRM, signal.SIGPROF),
    ],
)
def test_a_signal_that_a_program_rarely_gets_ends_it_as_any_other(number: signal.Signals, tmp_path: Path) -> None:
    must_end(("check", "--smoke", "--json", "verdicts.json"), number, tmp_path)


def must_end(words: Sequence[str], number: signal.Signals, tmp_path: Path) -> None:
    """Run a command, send it a signal when it has started a server, and look what is left."""
    warden.become_subreaper()
    running = subprocess.Popen(
        command(*words, *map(str, WORST)),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        served = wait_for(lambda: is_serving(running), SEEN_S)
        assert served, "no server was ever running"
        running.send_signal(number)
        _, errors = running.communicate(timeout=GONE_S)
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {processes_below()}"
    finally:
        running.kill()
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number
        assert b"Traceback" not in errors
        assert b"every server has been ended" in errors


def test_a_hangup_that_came_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup(1) leaves it; the signal comes before SIGTERM, so the harness has had to handle it when it ends."""
    warden.become_subreaper()
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command("check", *map(str, WORST))]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        served = wait_for(lambda: is_serving(running), SEEN_S)
        assert served, "no server was ever running"
        running.send_signal(signal.SIGHUP)
        running.send_signal(signal.SIGTERM)
        assert running.wait(GONE_S) == 128 + signal.SIGTERM
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {processes_below()}"
    finally:
        running.kill()


def test_it_ends_by_sigterm_where_sigint_came_ignored(tmp_path: Path) -> None:
    """A shell without job control starts its background jobs so."""
    warden.become_subreaper()
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command("check", *map(str, WORST))]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        served = wait_for(lambda: is_serving(running), SEEN_S)
        assert served, "no server was ever running"
        running.send_signal(signal.SIGTERM)
        assert running.wait(GONE_S) == 128 + signal.SIGTERM
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {processes_below()}"
    finally:
        running.kill()


def test_nothing_survives_an_ordinary_end(tmp_path: Path) -> None:
    warden.become_subreaper()
    running = subprocess.Popen(command("check", "--smoke", *map(str, WORST)), cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        assert running.wait(COMMAND_S) == 0
        assert wait_for(lambda: nothing_left(running), GONE_S), f"left behind: {processes_below()}"
    finally:
        running.kill()
