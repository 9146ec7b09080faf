"""What the kernel allows this process and its descendants, and how often it has refused more: cgroups and limits.

A container, a batch system or systemd may allow few tasks (processes and threads), little memory or a share of the
processors. All of it is read from /proc and /sys/fs/cgroup, versions 1 and 2; each group above this process's own
counts, as far as it can be seen. A system without cgroups has no limits here.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

MIB = 1024 * 1024
UNLIMITED_BYTES = 1 << 60  # version 1 writes the largest multiple of a page instead of "max"
SPARE_TASKS = 16  # a server that could not start one may have ended some
NEARLY_ALL = 0.75  # of the address space: a thread that could not be started wanted a large piece of the rest
NO_MEMORY = re.compile(
    r"Cannot allocate memory|ENOMEM|bad_alloc|MemoryError|OutOfMemory|Out of memory"
    r"|(reserve|map|allocate) \w* ?(enough )?(space|memory|heap|stack)|memory allocation of \d+|mmap.{,40}failed",
    re.IGNORECASE,
)
CPU_LIMIT_SIGNAL = re.compile(r"SIGXCPU|SIGKILL|ended by signal (24|9)\b")  # of the soft limit, of the hard one
SHARED_MEMORY = Path("/dev/shm")  # see shm_overview(7) and sem_overview(7)
NO_SHARED_MEMORY = re.compile(r"Read-only file system|SemLock|sem_open|shm", re.IGNORECASE)
NO_TASK = re.compile(r"can't start new thread|unable to create \w* ?thread|Resource temporarily unavailable|EAGAIN")


@dataclass(frozen=True)
class Limits:
    """The limits, and the kernel's counters of what they have caused so far.

    Attributes:
        tasks: how many processes and threads are allowed together; None for no limit.
        tasks_refused: how often the kernel has refused to start one.
        memory_bytes: how much memory is allowed; None for no limit.
        memory_kills: how many processes the kernel has ended because memory ran out.
        cores: how much processor time is allowed, in seconds for each second; None for no limit.
        throttled_s: how long the kernel has stopped the processes because that was used up, in s, summed over cores.
        address_space_bytes: how much each process may map (ulimit -v, -d); None for no limit.
        processor_s: how much processor time each process may use in all, in s (ulimit -t); None for no limit.
    """

    tasks: int | None = None
    tasks_refused: int = 0
    memory_bytes: int | None = None
    memory_kills: int = 0
    cores: float | None = None
    throttled_s: float = 0.0
    address_space_bytes: int | None = None
    processor_s: int | None = None

    def __str__(self) -> str:
        """Return the limits as words, "" if there are none."""
        words = [
            f"{self.tasks:,} tasks" if self.tasks is not None else "",
            f"{self.memory_bytes / MIB:,.0f} MiB of memory" if self.memory_bytes is not None else "",
            f"{self.cores:g} processor cores" if self.cores is not None else "",
            f"{_mib(self.address_space_bytes)} of address space" if self.address_space_bytes is not None else "",
            f"{self.processor_s:,} s of processor time" if self.processor_s is not None else "",
        ]
        return ", ".join(filter(None, words))


def read_limits(root: Path = Path("/")) -> Limits:
    """Return the limits of this process and its children.

    Args:
        root: the folder that has `proc` and `sys`.
    """
    tasks, memory, processor = _folders(root, "pids", "memory", "cpu")
    own_memory = memory[:1]  # the group of a process counts its end, whichever group's limit was reached
    task_limits = [*_numbers(tasks, "pids.max"), *_own_task_limit()]
    memory_limits = [*_numbers(memory, "memory.max"), *_numbers(memory, "memory.limit_in_bytes")]
    memory_limits = [limit for limit in memory_limits if limit < UNLIMITED_BYTES]
    return Limits(
        tasks=min(task_limits, default=None),
        # Without "local", newer kernels count what happened in any group below as well.
        tasks_refused=sum(_counts(tasks, "pids.events.local", "max") or _counts(tasks, "pids.events", "max")),
        memory_bytes=min(memory_limits, default=None),
        memory_kills=sum(
            _counts(own_memory, "memory.events", "oom_kill") or _counts(own_memory, "memory.oom_control", "oom_kill")
        ),
        cores=min(_quotas(processor), default=None),
        throttled_s=sum(_counts(processor, "cpu.stat", "throttled_usec")) / 1e6
        + sum(_counts(processor, "cpu.stat", "throttled_time")) / 1e9,
        address_space_bytes=_own_limit(resource.RLIMIT_AS, resource.RLIMIT_DATA),
        processor_s=_own_limit(resource.RLIMIT_CPU),
    )


def what_ran_out(before: Limits, now: Limits, failure: str = "") -> str:
    """Return what the kernel has refused between two readings, as a sentence, or "".

    Args:
        before: the first reading.
        now: the second one.
        failure: what went wrong, in the words of a program; the limits of a process and of a user have no counters.
    """
    if now.tasks is not None and (now.tasks_refused > before.tasks_refused or NO_TASK.search(failure)):
        return _too_few(now.tasks)
    if now.memory_kills > before.memory_kills:
        allowed = f"only {now.memory_bytes / MIB:.0f} MiB of memory are" if now.memory_bytes else "no more memory is"
        return f"{allowed} allowed here, and the kernel ended a process because it ran out"
    if now.address_space_bytes is not None and (NO_MEMORY.search(failure) or NO_TASK.search(failure)):
        return _too_little(now.address_space_bytes)
    if now.processor_s is not None and CPU_LIMIT_SIGNAL.search(failure):
        return f"only {now.processor_s} s of processor time are allowed here (ulimit -t), and a process used them up"
    if NO_SHARED_MEMORY.search(failure) and not os.access(SHARED_MEMORY, os.W_OK):
        return f"{SHARED_MEMORY} cannot be written here, where programs have their shared memory and semaphores"
    return ""


def address_space_ran_out(pids: Iterable[int], root: Path = Path("/")) -> str:
    """Return a sentence if one of these processes has mapped about as much as a limit allows (ulimit -v), or "".

    Args:
        pids: the processes.
        root: the folder that has `proc`.
    """
    if (allowed := _own_limit(resource.RLIMIT_AS)) is None:
        return ""
    for pid in pids:
        peak = re.search(r"^VmPeak:\s*(\d+) kB", _text(root / f"proc/{pid}/status"), re.MULTILINE)
        if peak and int(peak[1]) * 1024 >= NEARLY_ALL * allowed:
            return _too_little(allowed)
    return ""


def raise_soft_limits() -> None:
    """Let this process and its children map as much as this user may, and tell the limit of time by its own signal.

    At the hard limit of processor time the kernel sends SIGKILL, which tells nobody why; at the soft one SIGXCPU.
    """
    for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        _, hard = resource.getrlimit(which)
        soft = max(1, hard - 1) if which == resource.RLIMIT_CPU and hard != resource.RLIM_INFINITY else hard
        resource.setrlimit(which, (soft, hard))


def user_ran_out(root: Path = Path("/")) -> str:
    """Return a sentence if this user has about as many tasks now as a limit allows (ulimit -u), or "".

    The kernel does not count what this limit has refused, so it has to be asked while the processes still run.

    Args:
        root: the folder that has `proc`.
    """
    for allowed in _own_task_limit():
        statuses = (_text(path) for path in (root / "proc").glob("[0-9]*/status"))
        own = re.compile(rf"^Uid:\t{os.getuid()}\t(?:.*\n)*?Threads:\t(\d+)$", re.MULTILINE)
        if sum(int(match[1]) for status in statuses if (match := own.search(status))) >= allowed - SPARE_TASKS:
            return _too_few(allowed)
    return ""


def _too_few(tasks: int) -> str:
    return f"only {tasks} tasks are allowed here, and no more could be started"


def _too_little(size: int) -> str:
    return f"only {_mib(size)} of address space are allowed here (ulimit -v, -d), and no more could be had"


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"


def _own_limit(*which: int) -> int | None:
    """Return the lowest of these limits, which servers have (see `raise_soft_limits`); None for no limit."""
    limits = (resource.getrlimit(each)[1] for each in which)
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)


def _own_task_limit() -> Sequence[int]:
    """Return the limit of tasks of this user; root has none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return [soft] if os.geteuid() and soft != resource.RLIM_INFINITY else []


def _folders(root: Path, *controllers: str) -> list[Sequence[Path]]:
    """Return for each controller the folder of this process's group and those above it that can be seen."""
    groups, mounts = _text(root / "proc/self/cgroup"), _text(root / "proc/self/mountinfo")
    return [_folders_of(root, groups, mounts, controller) for controller in controllers]


@cache
def _folders_of(root: Path, groups: str, mounts: str, controller: str) -> Sequence[Path]:
    """Return the folders of a controller; they are looked at for each slice of a load.

    Args:
        root: the folder that has `sys`.
        groups: the text of /proc/self/cgroup.
        mounts: the text of /proc/self/mountinfo.
        controller: the controller.
    """
    own: dict[str, str] = {}  # controller → path of the group in its hierarchy; "" for version 2
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    # Version 1 if the controller has a hierarchy of its own.
    name, kind = (controller, "cgroup") if controller in own else ("", "cgroup2")
    if name not in own:
        return []
    for line in mounts.splitlines():
        mount, _, options = line.partition(" - ")
        system, _, features = options.split(" ", 2)
        if system != kind or (name and name not in features.split(",")):
            continue
        _, _, _, shown, place, *_ = mount.split(" ")
        top = root / place.lstrip("/")
        below = PurePosixPath(own[name])
        relative = below.relative_to(shown) if below.is_relative_to(shown) else PurePosixPath()
        folder = top / relative
        return [folder, *(above for above in folder.parents if above.is_relative_to(top))]
    return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _numbers(folders: Sequence[Path], name: str) -> list[int]:
    """Return the numbers in the files of this name; "max" is none."""
    return [int(text) for folder in folders if (text := _text(folder / name).strip()).isdecimal()]


def _counts(folders: Sequence[Path], name: str, key: str) -> list[int]:
    """Return the numbers after a key in the files of this name."""
    return [
        int(number)
        for folder in folders
        for number in re.findall(rf"^{key} (\d+)$", _text(folder / name), re.MULTILINE)
    ]


def _quotas(folders: Sequence[Path]) -> Iterator[float]:
    """Yield the processor quotas of groups, in cores."""
    for folder in folders:
        words = _text(folder / "cpu.max").split() or [
            _text(folder / f"cpu.cfs_{which}_us").strip() for which in ("quota", "period")
        ]
        if len(words) == 2 and all(word.isdecimal() for word in words):
            yield int(words[0]) / int(words[1])
