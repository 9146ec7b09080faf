"""Reads /proc of Linux, in which any process may end between two reads."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator

from harness.errors import HarnessError
from harness.processes import warden


def read_existing(paths: Iterable[str]) -> Iterator[str]:
    """Yield the text of each of these files that still exists."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            yield file.read()


def require_own_proc() -> None:
    """Check that /proc shows the processes of this PID namespace, before anything is measured or killed by it.

    Raises:
        HarnessError: it shows others, whose numbers mean other processes here.
    """
    if sys.platform != "linux":
        return
    try:
        shown = os.readlink("/proc/self")
    except OSError as error:
        reason = f"/proc cannot be read ({error.strerror}): mount it, as `mount -t proc proc /proc` does"
        raise HarnessError(reason) from None
    if shown != str(os.getpid()):
        raise HarnessError(
            f"/proc belongs to another PID namespace: this process is {os.getpid()}, and it shows {shown}; "
            "`unshare --mount-proc` mounts one that fits"
        )


def require_current_folder() -> None:
    """Raise HarnessError if the current folder has been removed: modules ask for it when Python imports them."""
    try:
        os.getcwd()
    except OSError:
        raise HarnessError("the current folder does not exist any more: change to one that does") from None


def read_per_thread(pid: int, name: str) -> Iterator[str]:
    """Yield the text of the file of this name of each thread of a process; nothing if it has ended."""
    yield from read_existing(f"/proc/{pid}/task/{thread}/{name}" for thread in threads_of(pid))


class ProcessorUse:
    """How long the threads of a process have run, and have waited for a processor, from the creation of this object on.

    Threads that end keep what they had when they were last read. The kernel adds up a wait when it ends: a thread that
    can run, and has not since the last reading, has waited since then.

    Args:
        pid: the process.
        includes_descendants: whether the threads of its descendants count too.

    Attributes:
        ran_s: how long they have run, in s, summed over threads, at the last reading.
        waited_s: how long they have waited, likewise.
    """

    def __init__(self, pid: int, *, includes_descendants: bool = True) -> None:
        self._pid, self._includes_descendants = pid, includes_descendants
        self._read_at = time.monotonic()
        self._latest = {thread: (*numbers, 0) for thread, numbers in self._numbers().items()}
        self.ran_s = self.waited_s = 0.0

    def read(self) -> None:
        """Bring the attributes up to date; they stay as they are if the kernel does not report this."""
        read_before, self._read_at = self._read_at, time.monotonic()
        passed_ns = int((self._read_at - read_before) * 1e9)
        latest, self._latest = self._latest, {}
        for thread, (ran, waited) in self._numbers().items():
            ran_before, waited_before, ahead = latest.get(thread, (0, 0, 0))
            if ran < ran_before or waited < waited_before:  # another thread with the same number
                ran_before = waited_before = ahead = 0
            more = max(0, waited - waited_before - ahead)  # some of it may be counted already
            ahead = max(0, ahead - (waited - waited_before))
            if thread in latest and ran == ran_before and waited == waited_before and _can_run(*thread):
                more, ahead = passed_ns, ahead + passed_ns
            self.ran_s += (ran - ran_before) / 1e9
            self.waited_s += more / 1e9
            self._latest[thread] = ran, waited, ahead

    def _numbers(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return how long each thread has run and waited so far, in ns, by the numbers of its process and its own."""
        pids = [self._pid, *(warden.descendants(self._pid) if self._includes_descendants else ())]
        found = {}
        for pid in pids:
            for thread in threads_of(pid):
                for text in read_existing([f"/proc/{pid}/task/{thread}/schedstat"]):
                    if len(words := text.split()) >= 2:
                        found[pid, thread] = int(words[0]), int(words[1])
        return found


def _can_run(pid: int, thread: int) -> bool:
    """Return whether a thread runs or waits for a processor."""
    return any(
        text.rpartition(")")[2].split()[:1] == ["R"] for text in read_existing([f"/proc/{pid}/task/{thread}/stat"])
    )


def threads_of(pid: int) -> list[int]:
    """Return the numbers of the threads of a process; none if it has ended."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def cpu_wait_s(pid: int) -> float:
    """Return how long the threads of a process and its descendants have waited for a processor so far, in s.

    The second number of a thread's schedstat is its time in run queues, in ns (Linux, sched-stats.rst). Threads that
    have ended do not count. The result is 0 if the kernel does not report it.
    """
    return sum(own_cpu_wait_s(each) for each in [pid, *warden.descendants(pid)])


def own_cpu_wait_s(pid: int) -> float:
    """Return how long the threads of a process have waited for a processor so far, in s, without its descendants."""
    return sum(int(number) for text in read_per_thread(pid, "schedstat") for number in text.split()[1:2]) / 1e9
