"""A load that comes from several hosts, which are network namespaces: faults between hosts, lost hosts, the network."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model import TrialResult
from tests import hosts as namespaces
from tests.hosts import Host
from tests.machines import PATIENCE_S, ROOT, Machines, left, open_machines, run_in, wait_until
from tests.test_load_mutants import CONFORMING as LAWFUL
from tests.test_load_mutants import MUTANTS as LOADED
from tests.zoo import MUTANTS, harness

pytest.importorskip("distributed")
needs_hosts = pytest.mark.skipif(not namespaces.are_possible(), reason="this process may not make network namespaces")
ONE_CORE = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]  # so that each host has one process of the load
# Two clients, on two hosts, that both send: each receives what the other sends only from another host.
ON_TWO_HOSTS = ["--workload", "flood", "--profile", "smoke", "--clients", "2"]
PARAMETERS = ["--parameter", "senders=2,in_flight=64,seconds=1"]
BY_CHANCE = {"threads_without_a_lock"}  # two clients hardly ever meet in its race
BROKEN = {each: words for each, words in LOADED.items() if each[1] not in BY_CHANCE}
BROKEN["broadcast", "answer_before_question"] += "|own first"  # as two clients see it
BROKEN["channels", "answer_before_question"] += "|own first"
BROKEN["broadcast", "receivers_disagree"] += "|own first"
BROKEN["groupchat", "receivers_disagree"] += "|own first"
BETWEEN_HOSTS = {"receivers_disagree", "own_message_first"}
CONFORMING = dict(LAWFUL)
SPECS = [pytest.param(spec, marks=[pytest.mark.exhaustive] * (spec != "broadcast")) for spec in CONFORMING]
MBIT = 5
FRAME_BITS = 33 * 8


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with open_machines(4, tmp_path_factory.mktemp("machines"), prefix=ONE_CORE) as cluster:
            yield cluster


def bench(machines: Machines, *words: str) -> tuple[int, str, list[TrialResult]]:
    """Load servers from the cluster; return the status, what was printed, and the trials."""
    log = machines.log("client")
    log.unlink(missing_ok=True)
    client = machines.client("bench", *words, *ON_TWO_HOSTS, "--cluster", machines.scheduler)
    status = client.wait(PATIENCE_S)
    return status, log.read_text(), list(run_in(machines.folder).trials)


def nothing_is_left(machines: Machines) -> None:
    for host in machines.every:
        wait_until(lambda host=host: left(host) == [], "an end of all processes")  # type: ignore[misc]


@needs_hosts
@pytest.mark.parametrize("spec", SPECS)
def test_each_fault_shows_when_sender_and_receiver_are_on_different_hosts(machines: Machines, spec: str) -> None:
    broken = {name: words for (of, name), words in BROKEN.items() if of == spec}
    folder = MUTANTS.parent / spec
    paths = [folder / "broken" / f"{name}.py" for name in broken] + [folder / "conforming" / f"{CONFORMING[spec]}.py"]
    status, printed, trials = bench(machines, *map(str, paths), "--spec", spec, *PARAMETERS)
    assert status == 3, printed
    found = {Path(trial.plan.implementation).stem: trial for trial in trials}
    missed = {
        name for name, words in broken.items() if not any(w in found[name].did_not_finish for w in words.split("|"))
    }
    assert missed == set(), printed
    for name in BETWEEN_HOSTS & broken.keys():
        assert "but client 1 received" in found[name].did_not_finish, "neither host knows that by itself"
    lawful = found[CONFORMING[spec]]
    assert lawful.did_not_finish == ""
    assert (lawful.figures["dropped_share"] > 0) == CONFORMING[spec].startswith("loses")
    assert lawful.figures["generator_processes"] == 3
    assert (lawful.machine, lawful.load_machines) == ("host1", ("host2", "host3"))
    assert "flood: server on host1, load from host2, host3; network between them: as it is" in printed
    nothing_is_left(machines)


@needs_hosts
def test_a_rate_between_hosts_is_set_for_the_load_and_removed(machines: Machines) -> None:
    status, printed, trials = bench(
        machines, "selectors", *PARAMETERS, "--spec", "broadcast", "--network", f"rate={MBIT}mbit"
    )
    assert status == 0, printed
    network = trials[0].plan.network
    assert network and network.rate_mbit == MBIT
    assert f"network between them: {MBIT} Mbit/s" in printed
    # Without the limit it would be a hundred times as much.
    assert 0 < trials[0].figures["deliveries_per_s"] * FRAME_BITS < 3 * MBIT * 1e6
    nothing_is_left(machines)
    assert all("htb" not in disciplines(host) for host in machines.every)


@needs_hosts
def test_a_kernel_that_cannot_delay_says_so(machines: Machines) -> None:
    status, printed, trials = bench(
        machines, "selectors", *PARAMETERS, "--spec", "broadcast", "--network", "delay=20ms"
    )
    if can_delay(machines.every[0]):
        assert status == 0, printed
        assert "network between them: 20 ms each way" in printed
    else:
        assert status == 3
        assert '"20 ms each way" cannot be set on host2: its kernel has no netem' in " ".join(printed.split())
        assert trials == []
    nothing_is_left(machines)
    assert all("htb" not in disciplines(host) for host in machines.every)


def disciplines(host: Host) -> str:
    words = ["ip", "netns", "exec", host.name, "tc", "qdisc", "show"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def can_delay(host: Host) -> bool:
    words = ["ip", "netns", "exec", host.name, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def long_load(machines: Machines) -> subprocess.Popen[bytes]:
    """Begin a load that lasts longer than a test; return the client when it is under way on all hosts."""
    machines.log("client").unlink(missing_ok=True)
    words = ["--spec", "broadcast", *ON_TWO_HOSTS, "--parameter", f"senders=2,seconds={2 * PATIENCE_S}"]
    client = machines.client("bench", "selectors", *words, "--cluster", machines.scheduler)
    for host in machines.every[1:]:
        wait_until(lambda host=host: client.poll() is not None or is_loading(host), "a load")  # type: ignore[misc]
    assert client.poll() is None, machines.log("client").read_text()
    return client


def is_loading(host: Host) -> bool:
    return any("harness.load" in line for line in left(host))


@needs_hosts
def test_nothing_outlives_a_client_that_is_killed(machines: Machines) -> None:
    client = long_load(machines)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    nothing_is_left(machines)


@needs_hosts
def test_a_lost_host_is_the_end_of_the_load_in_one_sentence(machines: Machines) -> None:
    client = long_load(machines)
    try:
        machines.every[3].kill()
        log = machines.log("client")
        assert client.wait(PATIENCE_S) == 3, log.read_text()
        printed = " ".join(log.read_text().split())
        assert "the load of selectors by flood ended early: host3 was lost" in printed
        assert "Traceback" not in printed
        nothing_is_left(machines)
    finally:
        machines.start_worker(3, ONE_CORE)


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--cluster", "local:1"], 2, "needs at least two workers"),
        (["--clients", "5"], 2, "--clients is for a load that comes from several machines: it needs --cluster"),
        (["--network", "delay=20ms"], 2, "--network is for a load that comes from several machines"),
        (["--cluster", "local:2", "--workload", "idle"], 2, "idle cannot come from several machines; these can: "),
        (["--cluster", "local:2", "--parameter", "seconds"], 2, "'seconds' is not NAME=N"),
        (["--cluster", "local:2", "--parameter", "second=1"], 2, 'no workload has a parameter "second"'),
        (["--cluster", "local:2", "--network", "delay=20"], 2, '"delay=20" is no condition of a network'),
    ],
)
def test_what_cannot_be_loaded_from_several_machines(
    words: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    ended = harness("bench", "selectors", "--spec", "broadcast", *words, folder=tmp_path)
    assert ended.returncode == status, ended.stderr
    assert sentence in " ".join(ended.stderr.split())
