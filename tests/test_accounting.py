"""The resource usage of a trial: what is read about processes, what disturbs a trial, and that a trial records it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness import plugins
from harness.league.disturbance import why_disturbed
from harness.league.messages import TrialRequest
from harness.league.trial import Cores, run_trial
from harness.load import accounting
from harness.load.accounting import UsageSnapshot
from harness.model import TrialPlan
from harness.servers import resources
from harness.servers.resources import CpuTimes
from tests.zoo import CONFORMING, implementation

MIB = 1 << 20
# A parent that waits, and its child, which does some work, reports that, and waits as well.
FAMILY = """
import os, sys
if os.fork():
    os.wait()
held = b"x" * (64 << 20)
del held
reading, writing = os.pipe()
for _ in range(20_000):
    os.write(writing, b"x")
    os.read(reading, 1)
sum(range(3_000_000))
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def family() -> Iterator[int]:
    """Yield the pid of a process whose child has done its work."""
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdin
        assert process.stdout.readline() == "done\n"
        yield process.pid
        process.stdin.close()
        process.terminate()


def test_child_processes_count() -> None:
    with family() as pid:
        times, services = resources.cpu_times(pid), resources.kernel_counters(pid)
        assert times.user_s > 0
        assert times.system_s > 0
        assert services.switches >= 2
        assert services.read_write_calls is None or services.read_write_calls >= 40_000
        assert resources.peak_rss_bytes(pid) > 64 * MIB + resources.usage(pid).rss_bytes / 4


def test_a_process_that_has_ended_counts_as_zero() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert resources.cpu_times(process.pid) == CpuTimes(0, 0)
    assert resources.kernel_counters(process.pid).switches == 0
    assert resources.peak_rss_bytes(process.pid) == 0


def test_a_core_is_busy_while_this_process_is() -> None:
    cores = os.sched_getaffinity(0)
    before, used = resources.busy_s(cores), time.process_time()
    assert before is not None
    while time.process_time() < used + 0.3:
        pass
    after = resources.busy_s(cores)
    assert after is not None
    assert after - before > 0.1  # the kernel counts it in ticks
    assert resources.busy_s({10**6}) == 0


def test_shares_are_of_the_time_and_of_the_cores() -> None:
    before = UsageSnapshot(10.0, CpuTimes(1, 1), CpuTimes(0, 0), 100.0)
    after = UsageSnapshot(12.0, CpuTimes(1.5, 2), CpuTimes(0.2, 0.2), 103.0)
    figures = accounting.shares(before, after, {0, 1})
    assert figures["server_user_share"] == pytest.approx(0.25)
    assert figures["server_system_share"] == pytest.approx(0.5)
    assert figures["server_cpu_share"] == pytest.approx(0.75)
    assert figures["generator_cpu_share"] == pytest.approx(0.2)
    assert figures["other_cpu_share"] == pytest.approx((1.5 - 0.75 - 0.2) / 2)


def test_without_counts_of_the_kernel_there_is_no_figure_and_no_rule() -> None:
    before = UsageSnapshot(0.0, CpuTimes(0, 0), CpuTimes(0, 0), None)
    after = UsageSnapshot(1.0, CpuTimes(0, 0), CpuTimes(0, 0), None)
    figures = accounting.shares(before, after, {0})
    assert "other_cpu_share" not in figures
    assert why_disturbed(figures, cores_apart=True) == ""


QUIET = {"other_cpu_share": 0.05, "send_lag_p99_ns": 2e6, "sent_share": 1.0, "dropped_share": 0.0}


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ({}, ""),
        ({"other_cpu_share": 0.2}, "other processes took 20%"),
        ({"send_lag_p99_ns": 3e7}, "30 ms late"),
        ({"send_lag_p99_ns": 3e7, "generator_limited": 1.0}, ""),
        ({"sent_share": 0.5}, "50% of what was due"),
        ({"sent_share": 0.5, "generator_limited": 1.0}, ""),
        ({"dropped_share": -0.1, "generator_limited": 1.0}, "more was received than was sent"),
    ],
)
def test_the_rules_of_disturbance(noise: dict[str, float], words: str) -> None:
    reason = why_disturbed(QUIET | noise, cores_apart=True)
    assert words in reason
    assert bool(reason) == bool(words)


def test_on_a_single_core_lateness_disturbs_nothing() -> None:
    assert why_disturbed(QUIET | {"send_lag_p99_ns": 3e7, "sent_share": 0.5}, cores_apart=False) == ""


@pytest.mark.parametrize("workload", ["flood", "paced"])
async def test_a_trial_records_its_resource_usage(workload: str) -> None:
    parameters = plugins.workloads()[workload].profiles["smoke"]
    plan = TrialPlan(block=0, implementation="it", spec="broadcast", workload=workload, parameters=parameters)
    result = await run_trial(TrialRequest(plan, implementation(CONFORMING)), Cores())
    assert result.did_not_finish == ""
    figures = result.figures
    assert figures["server_cpu_share"] >= 0
    generator_share = figures["generator_user_share"] + figures["generator_system_share"]
    assert generator_share > 0 or workload == "paced"  # the kernel counts in ticks of 10 ms: a light load may have none
    assert figures["server_switches_per_delivery"] > 0
    assert figures["server_rss_peak_bytes"] > MIB
    assert figures["generator_rss_bytes"] > MIB
    assert figures["generator_limited"] in (0, 1)
    assert 0 <= figures["other_cpu_share"] <= 1
    assert result.disturbed == why_disturbed(figures, cores_apart=False)
