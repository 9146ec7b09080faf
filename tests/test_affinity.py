"""A process that is moved to other processor cores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.processes import warden
from harness.processes.affinity import move_to

# Threads and a child process that exist before it says so, and a thread and a child that are started later.
PROGRAM = """
import os, subprocess, sys, threading
def sleep():
    return subprocess.Popen(["sleep", "60"])
threading.Thread(target=threading.Event().wait, daemon=True).start()
sleep()
print(flush=True)
sys.stdin.readline()
threading.Thread(target=threading.Event().wait, daemon=True).start()
sleep()
print(flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_all_threads_and_children_are_moved_and_those_that_come_later() -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    with subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{second}]){PROGRAM}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    ) as process:
        assert process.stdin and process.stdout
        try:
            process.stdout.readline()
            assert cores_of(process.pid) == 3 * [{second}]
            move_to(process.pid, [first])
            assert cores_of(process.pid) == 3 * [{first}]
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            assert cores_of(process.pid) == 5 * [{first}]
        finally:
            warden.signal_all(process.pid, 9)


def test_a_process_that_has_ended_is_no_fault() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        move_to(process.pid, os.sched_getaffinity(0))


def cores_of(pid: int) -> list[set[int]]:
    """Return on which cores each thread of a process and of its descendants may run."""
    return [
        os.sched_getaffinity(int(thread))
        for process in (pid, *warden.descendants(pid))
        for thread in os.listdir(f"/proc/{process}/task")
    ]
