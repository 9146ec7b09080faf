"""What a process and everything below it uses: memory, descriptors, threads, processor time, the kernel's services.

All of it is read from /proc, which disturbs nobody; what takes a file for each thread says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
from collections.abc import Collection
from dataclasses import dataclass

import psutil

from harness.model import Usage
from harness.processes import warden
from harness.processes.proc import texts


def usage(pid: int) -> Usage:
    """Return what a process and all below it use now; zeros for a process that is gone."""
    rss_bytes = descriptors = threads = processes = 0
    cpu_s = 0.0
    for one in [pid, *warden.descendants(pid)]:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(one)
            with process.oneshot():
                times = process.cpu_times()
                rss_bytes += process.memory_info().rss
                descriptors += process.num_fds()
                threads += process.num_threads()
                cpu_s += times.user + times.system
                processes += 1
    return Usage(rss_bytes, descriptors, threads, processes, cpu_s)


def raise_descriptor_limit() -> None:
    """Raise this process's soft limit of open files to the hard one; what it starts inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors_allowed(pid: int = 0) -> int:
    """Return how many files a process (0: this one) may have open at a time, by its soft limit."""
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except OSError:  # it is gone, or not ours to look at
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


@dataclass(frozen=True)
class CpuTimes:
    """Processor time so far, in s, of a process and all below it, those that have ended included."""

    user_s: float
    system_s: float

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s


def cpu_times(pid: int) -> CpuTimes:
    """Return the processor time of a process and all below it; zeros for a process that is gone."""
    user_s = system_s = 0.0
    for one in [pid, *warden.descendants(pid)]:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(one).cpu_times()
            user_s += times.user + times.children_user
            system_s += times.system + times.children_system
    return CpuTimes(user_s, system_s)


@dataclass(frozen=True)
class Services:
    """What the kernel has done so far for a process and all below it.

    Attributes:
        switches: context switches, voluntary and not, of the threads that are alive.
        read_write_calls: read(2), write(2) and their kin, which is what Linux counts: recv(2), send(2) and all other
            system calls are not among them. None where it is not told.
    """

    switches: int
    read_write_calls: int | None


def services(pid: int) -> Services:
    """Return what the kernel has done for a process and all below it; reads a file for each thread."""
    switches, calls = 0, None
    for one in [pid, *warden.descendants(pid)]:
        for text in texts(f"/proc/{one}/task", "status"):
            switches += sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)", text)))
        for text in texts(f"/proc/{one}", "io", here=True):
            calls = (calls or 0) + sum(map(int, re.findall(r"sysc[rw]: (\d+)", text)))
    return Services(switches, calls)


def peak_rss_bytes(pid: int) -> int:
    """Return the most resident memory that a process and those below it have had, each at its own worst moment."""
    found = 0
    for one in [pid, *warden.descendants(pid)]:
        for text in texts(f"/proc/{one}", "status", here=True):
            found += sum(1024 * int(kib) for kib in re.findall(r"VmHWM:\s*(\d+) kB", text))
    return found


def usable_cores() -> list[int]:
    """Return the processor cores that this process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def busy_s(cores: Collection[int]) -> float | None:
    """Return for how long these processor cores have been busy since the machine's start, in s of one core.

    Stolen time counts; interrupts do not, for those of loopback are the load's own. None where the kernel does not
    tell.
    """
    if not (told := next(texts("/proc", "stat", here=True), "")):
        return None
    ticks = 0
    for core, words in re.findall(r"^cpu(\d+) (.+)$", told, re.MULTILINE):
        if int(core) in cores:
            user, nice, system, _idle, _iowait, _irq, _softirq, stolen, *_ = map(int, words.split())
            ticks += user + nice + system + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
