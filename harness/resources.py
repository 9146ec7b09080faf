"""What a process and everything below it uses: memory, descriptors, threads, processor time."""

from __future__ import annotations

import contextlib
import resource

import psutil

from harness import warden
from harness.model import Usage


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
