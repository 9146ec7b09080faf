"""What a load costs, beside what it achieves: both processors' time, and who else took some of theirs."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.servers import resources
from harness.servers.resources import CpuTimes, Services

GENERATOR_LIMIT = 0.95  # of a core: above it the load, not the server, was the limit


@dataclass(frozen=True)
class Moment:
    """What has been used up so far; two of them make an account.

    Attributes:
        busy_s: of all the cores that server and load may use; None where the kernel does not tell.
    """

    at_s: float
    server: CpuTimes
    generator: CpuTimes
    busy_s: float | None


def moment(server_pid: int, cores: Collection[int]) -> Moment:
    """Return what has been used up by now; it takes a fraction of a millisecond."""
    return Moment(
        server=resources.cpu_times(server_pid),
        generator=resources.cpu_times(os.getpid()),
        busy_s=resources.busy_s(cores),
        at_s=time.monotonic(),
    )


def shares(before: Moment, after: Moment, cores: Collection[int]) -> dict[str, float]:
    """Return what was used between two moments, as shares of one core; `other_cpu_share` is one of all these cores."""
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


def limited(figures: Mapping[str, float]) -> float:
    """Return 1 where the generator could not have done more, else 0."""
    return float(figures.get("generator_cpu_share", 0.0) >= GENERATOR_LIMIT)


def per_delivery(before: Services, after: Services, deliveries: int) -> dict[str, float]:
    """Return what the kernel did for the server meanwhile, for each delivery; for the kinds see `Services`."""
    each = 1 / max(1, deliveries)
    figures = {"server_switches_per_delivery": max(0, after.switches - before.switches) * each}
    if before.read_write_calls is not None and after.read_write_calls is not None:
        calls = max(0, after.read_write_calls - before.read_write_calls)
        figures["server_read_write_calls_per_delivery"] = calls * each
    return figures
