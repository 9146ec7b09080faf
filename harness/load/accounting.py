"""The cost of a load: processor time of the server and of the load generator, and what other processes took of it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from harness.load.processes import LoadProcesses
from harness.processes.proc import read_existing
from harness.servers import resources
from harness.servers.resources import CpuTimes, KernelCounters

BOOT_ID = "/proc/sys/kernel/random/boot_id"  # the same in all containers and network namespaces of a machine
MODES = ("generator_user_share", "generator_system_share")
GENERATOR_LIMIT = 0.95  # of a core: above it the load, not the server, was the limit


@dataclass(frozen=True)
class UsageSnapshot:
    """Processor time used so far; the differences between two snapshots are the usage in between.

    Attributes:
        at_s: when the snapshot was taken, in monotonic s.
        server: the server's times.
        generator: those of this process, which makes the load.
        busy_s: the busy time of all cores that server and load may use, in s; None where the kernel does not show it.
    """

    at_s: float
    server: CpuTimes
    generator: CpuTimes
    busy_s: float | None


def take_snapshot(server_pid: int, cores: Collection[int]) -> UsageSnapshot:
    """Return the usage so far; that takes a fraction of a millisecond."""
    return UsageSnapshot(
        server=resources.cpu_times(server_pid),
        generator=resources.cpu_times(os.getpid()),
        busy_s=resources.busy_s(cores),
        at_s=time.monotonic(),
    )


def shares(before: UsageSnapshot, after: UsageSnapshot, cores: Collection[int]) -> dict[str, float]:
    """Return the processor time used between two snapshots, as shares of one core.

    Args:
        before: the snapshot at the beginning.
        after: the snapshot at the end.
        cores: the cores that server and load may use. `other_cpu_share` is what other processes took of them, as a
            share of all these cores.
    """
    elapsed_s = after.at_s - before.at_s
    figures: dict[str, float] = {}
    for name, end, start in (("server", after.server, before.server), ("generator", after.generator, before.generator)):
        figures |= {
            f"{name}_cpu_share": (end.cpu_s - start.cpu_s) / elapsed_s,
            f"{name}_user_share": (end.user_s - start.user_s) / elapsed_s,
            f"{name}_system_share": (end.system_s - start.system_s) / elapsed_s,
        }
    if before.busy_s is not None and after.busy_s is not None and cores:
        others_share = (after.busy_s - before.busy_s) / elapsed_s
        others_share -= figures["server_cpu_share"] + figures["generator_cpu_share"]
        figures["other_cpu_share"] = min(1.0, max(0.0, others_share / len(cores)))  # ticks are coarse
    return figures


def shares_over_machines(
    processes: LoadProcesses, before: UsageSnapshot, after: UsageSnapshot, cores: Collection[int]
) -> dict[str, float]:
    """Return `shares` in rank 0 of a load, on the machine of the server; all processes of the load call it.

    Processes of the load that are not below rank 0 and yet on its machine, in another network namespace, are no "other
    processes". What the load uses in which mode is not recorded where most of it is elsewhere.

    Args:
        processes: the processes of the load.
        before: the snapshot at the beginning.
        after: the snapshot at the end.
        cores: see `shares`.
    """
    if not processes.are_remote:
        return shares(before, after, cores)
    here = next(read_existing([BOOT_ID]), "")
    used_s = processes.gather((here, after.generator.cpu_s - before.generator.cpu_s))
    beside_s = sum(used for rank, (where, used) in enumerate(used_s) if rank != processes.rank and where == here)
    busy_s = None if after.busy_s is None else after.busy_s - beside_s
    figures = shares(before, replace(after, busy_s=busy_s), cores)
    return {name: share for name, share in figures.items() if name not in MODES}


def generator_limited(figures: Mapping[str, float]) -> float:
    """Return 1 where the load generator was the limit, else 0."""
    return float(figures.get("generator_cpu_share", 0.0) >= GENERATOR_LIMIT)


def per_delivery(before: KernelCounters, after: KernelCounters, deliveries: int) -> dict[str, float]:
    """Return what the kernel did for the server, per delivery.

    Args:
        before: the counters at the beginning.
        after: the counters at the end.
        deliveries: how many deliveries the server made in between.
    """
    each = 1 / max(1, deliveries)
    figures = {"server_switches_per_delivery": max(0, after.switches - before.switches) * each}
    if before.read_write_calls is not None and after.read_write_calls is not None:
        calls = max(0, after.read_write_calls - before.read_write_calls)
        figures["server_read_write_calls_per_delivery"] = calls * each
    return figures
