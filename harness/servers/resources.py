"""What a process and its descendants use: memory, descriptors, threads, processor time, system calls.

All of it is read from /proc, which does not disturb the process. Functions that read a file per thread say so. The
process ELSEWHERE is on another machine, and uses nothing here.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass

import psutil

from harness.errors import Inconclusive
from harness.model import Usage
from harness.processes import warden
from harness.processes.limits import address_space_ran_out
from harness.processes.proc import read_existing, read_per_thread

DESCRIPTORS = 65_536  # several times what the largest load on one machine needs on one side
SPARE_DESCRIPTORS = 1024  # beside those of clients
FEW_LEFT = 4  # descriptors: a server that needs several at once for a client may never have the last ones
ELSEWHERE = 0


class Unreadable(Inconclusive):
    """This user may not see what a process uses."""

    def __init__(self) -> None:
        super().__init__(
            "its resources cannot be read here: it forbids that (prctl(2), PR_SET_DUMPABLE) or belongs to another "
            "user; root may read them"
        )


def usage(pid: int) -> Usage:
    """Return what a process and its descendants use now; zeros for a process that has ended.

    Raises:
        Unreadable: this user may not see it.
    """
    rss_bytes = descriptors = threads = processes = 0
    cpu_s = 0.0
    for each in _with_descendants(pid):
        try:
            process = psutil.Process(each)
            with process.oneshot():
                times = process.cpu_times()
                rss_bytes += process.memory_info().rss
                descriptors += process.num_fds()
                threads += process.num_threads()
                cpu_s += times.user + times.system
                processes += 1
        except psutil.AccessDenied:
            if _has_memory(each):
                raise Unreadable from None
        except psutil.Error:
            pass
    return Usage(rss_bytes, descriptors, threads, processes, cpu_s)


def _with_descendants(pid: int) -> list[int]:
    return [] if pid == ELSEWHERE else [pid, *warden.descendants(pid)]


def own_rss_bytes() -> int:
    """Return the resident memory of this process now, without its descendants."""
    return int(psutil.Process().memory_info().rss)


def _has_memory(pid: int) -> bool:
    """Return whether a process still has memory: the files of a process that is ending belong to root."""
    words = next(read_existing([f"/proc/{pid}/statm"]), "").split()
    return words[1:2] not in ([], ["0"])


def raise_descriptor_limit(clients: int = 0) -> None:
    """Set this process's soft limit of open files to DESCRIPTORS, or to what so many clients need if that is more.

    It is the hard limit if that is lower.

    Its children inherit it. A much higher limit than is needed would do harm: containers often have one of 10^9, and
    some programs visit every possible descriptor, or allocate a table for them all.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(DESCRIPTORS, clients + SPARE_DESCRIPTORS)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors_allowed(pid: int = 0) -> int:
    """Return the soft limit of open files of a process (0 is this one)."""
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except OSError:  # it has ended, or this user may not see it
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def what_ran_out(pid: int) -> str:
    """Return a sentence if a process or a descendant has all that this machine allows it of something, or ""."""
    return descriptors_ran_out(pid) or address_space_ran_out(_with_descendants(pid))


def descriptors_ran_out(pid: int) -> str:
    """Return a sentence if this machine allows few descriptors, and a process or a descendant has them all, or "".

    A process with another limit than this one has been given that by a case, or has chosen it.
    """
    allowed = descriptors_allowed()
    if allowed >= DESCRIPTORS:
        return ""
    for each in _with_descendants(pid):
        with contextlib.suppress(psutil.Error):
            if descriptors_allowed(each) == allowed and psutil.Process(each).num_fds() >= allowed - FEW_LEFT:
                return f"only {allowed} descriptors are allowed here (ulimit -n), and the server has them all"
    return ""


@dataclass(frozen=True)
class CpuTimes:
    """Processor time so far, in s, of a process and its descendants, including those that have ended."""

    user_s: float
    system_s: float

    @property
    def cpu_s(self) -> float:
        """The time in user and system mode together."""
        return self.user_s + self.system_s


def cpu_times(pid: int) -> CpuTimes:
    """Return the processor time of a process and its descendants; zeros for a process that has ended."""
    user_s = system_s = 0.0
    for each in _with_descendants(pid):
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(each).cpu_times()
            user_s += times.user + times.children_user
            system_s += times.system + times.children_system
    return CpuTimes(user_s, system_s)


def process_cpu_s(pid: int) -> float:
    """Return the processor time of a process and its living descendants, in s, to the nanosecond.

    The times in /proc/PID/stat are counted in ticks of 10 ms, which is too coarse for a slice of 20 ms. The kernel has
    an exact clock for each process; its number is made of the pid as clock_getcpuclockid(3) does (on Linux: the
    complement of the pid, shifted by three bits, and 2 for CPUCLOCK_SCHED). Zero for a process that has ended.
    """
    total_s = 0.0
    for each in _with_descendants(pid):
        with contextlib.suppress(OSError):
            total_s += time.clock_gettime((~each << 3) | 2)
    return total_s


@dataclass(frozen=True)
class KernelCounters:
    """What the kernel has counted so far for a process and its descendants.

    Attributes:
        switches: context switches, voluntary and involuntary, of the threads that are alive.
        read_write_calls: calls of read(2), write(2) and their variants; Linux does not count recv(2), send(2) or any
            other system call. None if not reported.
    """

    switches: int
    read_write_calls: int | None


def kernel_counters(pid: int) -> KernelCounters:
    """Return the counters of a process and its descendants; reads a file per thread."""
    switches, calls = 0, None
    for each in _with_descendants(pid):
        for text in read_per_thread(each, "status"):
            switches += sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)", text)))
        for text in read_existing([f"/proc/{each}/io"]):
            calls = (calls or 0) + sum(map(int, re.findall(r"sysc[rw]: (\d+)", text)))
    return KernelCounters(switches, calls)


def peak_rss_bytes(pid: int) -> int:
    """Return the peak resident memory of a process and its descendants: the sum of each one's own peak."""
    peak_bytes = 0
    for each in _with_descendants(pid):
        for text in read_existing([f"/proc/{each}/status"]):
            peak_bytes += sum(1024 * int(kib) for kib in re.findall(r"VmHWM:\s*(\d+) kB", text))
    return peak_bytes


def usable_cores() -> list[int]:
    """Return the processor cores that this process may use; empty if the system does not report them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def busy_s(cores: Collection[int]) -> float | None:
    """Return how long these processor cores have been busy since the machine started, summed over the cores, in s.

    Stolen time counts. Interrupts do not, because those of the loopback interface belong to the load itself. None if
    the kernel does not report it.
    """
    if not (stat := next(read_existing(["/proc/stat"]), "")):
        return None
    ticks = 0
    for core, words in re.findall(r"^cpu(\d+) (.+)$", stat, re.MULTILINE):
        if int(core) in cores:
            user, nice, system, _idle, _iowait, _irq, _softirq, stolen, *_ = map(int, words.split())
            ticks += user + nice + system + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
