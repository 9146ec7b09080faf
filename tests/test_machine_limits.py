"""What the kernel allows and refuses, read from files as they look in containers, batch systems and on plain hosts."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.commands import check_command
from harness.conformance import idle
from harness.model import CheckResult
from harness.processes import limits
from harness.processes.disturbances import MachineWatch
from harness.processes.limits import MIB, Limits, read_limits, what_ran_out
from tests.zoo import CONFORMING, command

V1 = """\
30 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:30 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:31 {root} /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
34 30 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2 = "30 23 0:28 {root} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.fixture(autouse=True)
def no_limit_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def machine(folder: Path, groups: str, mounts: str, files: Mapping[str, str]) -> Path:
    """Write the files of a machine, those of cgroups by their paths below /sys/fs/cgroup; return its root."""
    texts = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts}
    texts |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_version_2_in_a_container(tmp_path: Path) -> None:
    files = {
        "pids.max": "2048\n",
        "pids.events": "max 7\n",
        "memory.max": f"{512 * MIB}\n",
        "memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n",
        "cpu.max": "50000 100000\n",
        "cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 2500000\n",
    }
    read = read_limits(machine(tmp_path, "0::/\n", V2.format(root="/"), files))
    assert read == Limits(2048, 7, 512 * MIB, 1, 0.5, 2.5)
    assert str(read) == "2,048 tasks, 512 MiB of memory, 0.5 processor cores"


def test_version_1_of_a_container_whose_paths_are_those_of_its_host(tmp_path: Path) -> None:
    groups = "4:pids:/docker/c0ffee\n3:memory:/docker/c0ffee\n2:cpu,cpuacct:/docker/c0ffee\n0::/\n"
    files = {
        "pids/pids.max": "2048\n",
        "pids/pids.events": "max 7\n",
        "memory/memory.limit_in_bytes": f"{512 * MIB}\n",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 2500000000\n",
    }
    read = read_limits(machine(tmp_path, groups, V1.format(root="/docker/c0ffee"), files))
    assert read == Limits(2048, 7, 512 * MIB, 1, 1.5, 2.5)


def test_the_groups_above_count_too_except_for_the_ends_of_processes(tmp_path: Path) -> None:
    files = {
        "user.slice/pids.max": "100\n",
        "user.slice/pids.events.local": "max 5\n",
        "user.slice/pids.events": "max 1000\n",
        "user.slice/session/pids.max": "max\n",
        "user.slice/session/pids.events.local": "max 2\n",
        "user.slice/memory.max": f"{64 * MIB}\n",
        "user.slice/memory.events": "oom_kill 40\n",
        "user.slice/session/memory.max": "max\n",
        "user.slice/session/memory.events": "oom_kill 3\n",
        "user.slice/cpu.max": "200000 100000\n",
        "user.slice/session/cpu.max": "max 100000\n",
    }
    root = machine(tmp_path, "0::/user.slice/session\n", V2.format(root="/"), files)
    assert read_limits(root) == Limits(100, 7, 64 * MIB, 3, 2.0, 0.0)


@pytest.mark.parametrize("groups", ["", "0::/\n", "0::/../elsewhere\n", "5:freezer:/\n0::/gone\n"])
def test_without_limits_there_are_none(groups: str, tmp_path: Path) -> None:
    root = machine(tmp_path, groups, V2.format(root="/"), {})
    assert read_limits(root) == Limits()
    assert str(Limits()) == ""


def test_version_1_writes_no_limit_of_memory_as_a_large_number(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu,cpuacct/cpu.cfs_quota_us": "-1\n"}
    root = machine(tmp_path, "3:memory:/\n2:cpu,cpuacct:/\n", V1.format(root="/"), files)
    assert read_limits(root) == Limits()


def test_a_system_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == Limits()


def test_the_limit_of_a_user_counts_except_for_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (500, 1000))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert read_limits(tmp_path).tasks == 500
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert read_limits(tmp_path).tasks is None


@pytest.mark.parametrize("uid, allowed, sentence", [(1000, 110, "only 110 tasks"), (1000, 200, ""), (1001, 110, "")])
def test_a_user_may_have_as_many_tasks_as_allowed(
    uid: int, allowed: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, (owner, threads) in enumerate([(1000, 99), (1000, 3), (0, 500)], 1):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        text = (
            f"Name:\tserver\nUid:\t{owner}\t{owner}\t{owner}\t{owner}\nFDSize:\t64\nThreads:\t{threads}\nSigQ:\t0/9\n"
        )
        (tmp_path / f"proc/{pid}/status").write_text(text)
    (tmp_path / "proc/7").mkdir()  # it has ended
    monkeypatch.setattr(resource, "getrlimit", lambda which: (allowed, allowed))
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getuid", lambda: uid)
    said = limits.user_ran_out(tmp_path)
    assert said.startswith(sentence) if sentence else not said


@pytest.mark.parametrize(("allowed", "is_told"), [(300, True), (350, True), (500, False), (-1, False)])
def test_a_process_may_have_mapped_as_much_as_is_allowed(
    allowed: int, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/status").write_text(f"Name:\tserver\nVmPeak:\t  {298 * 1024} kB\nVmSize:\t 5 kB\n")
    limit = allowed * MIB if allowed > 0 else resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    said = limits.address_space_ran_out([6, 7], tmp_path)
    assert said.startswith(f"only {allowed} MiB of address space are allowed here") if is_told else not said


def test_limits_of_a_shell_are_raised_as_far_as_this_user_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of processor time to a second before the kernel kills without a word."""
    now = {resource.RLIMIT_AS: (5, 10), resource.RLIMIT_DATA: (5, resource.RLIM_INFINITY), resource.RLIMIT_CPU: (5, 10)}
    monkeypatch.setattr(resource, "getrlimit", now.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", now.__setitem__)
    limits.raise_soft_limits()
    unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    assert now == {resource.RLIMIT_AS: (10, 10), resource.RLIMIT_DATA: unlimited, resource.RLIMIT_CPU: (9, 10)}
    now[resource.RLIMIT_CPU] = (1, 1)
    limits.raise_soft_limits()
    assert now[resource.RLIMIT_CPU] == (1, 1)
    now[resource.RLIMIT_CPU] = (1, resource.RLIM_INFINITY)
    limits.raise_soft_limits()
    assert now[resource.RLIMIT_CPU] == unlimited


@pytest.mark.parametrize(("words", "is_told"), [("OSError: [Errno 30] Read-only file system", True), ("closed", False)])
def test_shared_memory_that_cannot_be_written_is_told(
    words: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert what_ran_out(Limits(), Limits(), words) == ""
    monkeypatch.setattr(limits, "SHARED_MEMORY", Path("/nowhere"))
    assert what_ran_out(Limits(), Limits(), words).startswith("/nowhere cannot be written here") == is_told


# --- what ran out

LITTLE = "only 300 MiB of address space are allowed here (ulimit -v, -d), and no more could be had"
SHORT = "only 9 s of processor time are allowed here (ulimit -t), and a process used them up"
FEW = "only 2048 tasks are allowed here, and no more could be started"


@pytest.mark.parametrize(
    "before, now, failure, sentence",
    [
        (Limits(2048, 3), Limits(2048, 4), "client 1044 was disconnected", FEW),
        (Limits(2048, 3), Limits(2048, 3), "client 1044 was disconnected", ""),
        (Limits(2048), Limits(2048), "RuntimeError: can't start new thread", FEW),
        (Limits(2048), Limits(2048), "its last words: fork: Resource temporarily unavailable", FEW),
        (Limits(), Limits(), "RuntimeError: can't start new thread", ""),
        (
            Limits(memory_bytes=512 * MIB),
            Limits(memory_bytes=512 * MIB, memory_kills=1),
            "",
            "only 512 MiB of memory are allowed here, and the kernel ended a process because it ran out",
        ),
        (
            Limits(),
            Limits(memory_kills=1),
            "",
            "no more memory is allowed here, and the kernel ended a process because it ran out",
        ),
        (Limits(memory_kills=4), Limits(memory_kills=4), "was ended by SIGKILL", ""),
        (Limits(), Limits(address_space_bytes=300 * MIB), "its last words: MemoryError", LITTLE),
        (Limits(), Limits(address_space_bytes=300 * MIB), "Could not reserve enough space for object heap", LITTLE),
        (Limits(), Limits(address_space_bytes=300 * MIB), "RuntimeError: can't start new thread", LITTLE),
        (Limits(), Limits(address_space_bytes=300 * MIB), "client 7 was disconnected", ""),
        (Limits(), Limits(), "its last words: MemoryError", ""),
        (Limits(), Limits(processor_s=9), "the server was ended by SIGXCPU", SHORT),
        (Limits(), Limits(processor_s=9), "a worker process ended: ended by signal 24", SHORT),
        (Limits(), Limits(processor_s=9), "the server exited with status 9", ""),
        (Limits(), Limits(), "the server was ended by SIGXCPU", ""),
    ],
)
def test_what_ran_out(before: Limits, now: Limits, failure: str, sentence: str) -> None:
    assert what_ran_out(before, now, failure) == sentence


@pytest.mark.parametrize(
    "before, now, seconds, sentence",
    [
        (Limits(cores=0.5), Limits(cores=0.5, throttled_s=1.2), 3, "the processor quota of 0.5 cores stopped the"),
        (Limits(throttled_s=1), Limits(throttled_s=1.2), 3, "a processor quota stopped the processes for 0.20 s"),
        (Limits(cores=8), Limits(cores=8, throttled_s=0.01), 3, ""),
        (Limits(cores=8, throttled_s=9), Limits(cores=8, throttled_s=9), 0, ""),
    ],
)
def test_throttling(
    before: Limits, now: Limits, seconds: float, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([before, now])
    monkeypatch.setattr(limits, "read_limits", lambda: next(readings))
    said = MachineWatch().throttling(seconds)
    assert said.startswith(sentence) if sentence else not said


def test_a_check_reports_throttling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(*arguments: object) -> list[CheckResult]:
        return []

    quota = "the processor quota of 0.5 cores stopped the processes for 12.00 s"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check_command, "check", nothing)
    monkeypatch.setattr(check_command, "MachineWatch", lambda: SimpleNamespace(throttling=lambda seconds: quota))
    check_command.command.main([str(CONFORMING), "-k", "lone"], standalone_mode=False)
    assert capsys.readouterr().out == f"{quota}; no deadline of a server counts that\n"


# --- a real group, where one can be made


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of its own for tasks, below that of this process."""
    folder = next(iter(limits._folders(Path("/"), "pids")[0]), None)
    if folder is None:
        pytest.skip("there are no control groups for tasks here")
    group = folder / f"test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control group can be made here")
    try:
        if not (group / "pids.max").exists():
            pytest.skip("new control groups do not limit tasks here")
        yield group
    finally:
        group.rmdir()


def test_few_tasks_are_not_held_against_a_server_with_threads(group: Path, tmp_path: Path) -> None:
    (group / "pids.max").write_text("300")
    enter = (
        f"import os, sys; open({str(group / 'cgroup.procs')!r}, 'w').write('0'); os.execv(sys.argv[1], sys.argv[1:])"
    )
    check = command("check", "threads", "--spec", "broadcast", "-k", "thousand_clients", "--jobs", "1")
    ran = subprocess.run(
        [sys.executable, "-c", enter, *check], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "only 300 tasks are allowed here" in ran.stdout


# --- idle processors


@pytest.mark.parametrize(
    ("busy_s", "throttled_s", "were_idle"),
    [(0.4, 0.0, True), (1.2, 0.0, False), (0.4, 0.2, False), (None, 0.0, False)],
)
def test_processors_are_not_idle_while_a_quota_stops_the_processes(
    busy_s: float | None, throttled_s: float, were_idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cores for a second; the quota had stopped something before as well."""
    busy, throttled, now = iter([7.0, busy_s and 7.0 + busy_s]), iter([3.0, 3.0 + throttled_s]), iter([50.0, 51.0])
    monkeypatch.setattr(idle, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(idle, "busy_s", lambda cores: next(busy))
    monkeypatch.setattr(idle, "read_limits", lambda: Limits(throttled_s=next(throttled)))
    monkeypatch.setattr(idle, "time", SimpleNamespace(monotonic=lambda: next(now)))
    meter = idle.IdleMeter()
    assert meter.were_idle() is were_idle
