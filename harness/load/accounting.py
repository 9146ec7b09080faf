"""The cost of a load: processor time of the server and of the load generator, and what other processes took of it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.servers import resources
from harness.servers.resources import CpuTimes, KernelCounters

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
