"""The limits of a sandbox that the kernel does not keep: memory, processes and disk of all that is in it together.

A cgroup would keep the first two, where there is one that this user may divide.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from harness.processes.sandbox import MIB

MEMORY_BYTES = min(4096 * MIB, psutil.virtual_memory().total // 2)  # resident
PROCESSES = 4096
DISK_BYTES = 4096 * MIB
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BLOCK_BYTES = 512  # of st_blocks


def what_exceeds(init: int, folder: Path | None = None) -> str:
    """Return what a sandbox uses too much of, as the rest of a sentence, or "".

    Args:
        init: process 1 of the sandbox, as it is seen here.
        folder: a folder of the machine that the sandbox may write to.
    """
    processes, memory_bytes = 0, 0
    # The sandbox has a /proc of its own, with its processes only; their threads are not visited one by one.
    proc = f"/proc/{init}/root/proc"
    with contextlib.suppress(OSError):
        for name in os.listdir(proc):
            if name.isdecimal():
                processes += 1
                with contextlib.suppress(OSError, ValueError), open(f"{proc}/{name}/statm") as file:
                    memory_bytes += int(file.read().split()[1]) * PAGE_BYTES
    if memory_bytes > MEMORY_BYTES:
        return f"it used over {MEMORY_BYTES // MIB} MiB of memory, which its sandbox does not allow"
    if processes > PROCESSES:
        return f"it had over {PROCESSES} processes, which its sandbox does not allow"
    if folder and _size_bytes(folder) > DISK_BYTES:
        return f"it wrote over {DISK_BYTES // MIB} MiB, which its sandbox does not allow"
    return ""


def _size_bytes(folder: Path) -> int:
    size_bytes = 0
    for inside, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                size_bytes += os.lstat(os.path.join(inside, name)).st_blocks * BLOCK_BYTES
    return size_bytes
