"""The network between the machines of a load: how it is written, and how tc sets and removes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cluster.shaping import Impossible, Shaper, Shaping, commands, set_up
from harness.errors import UsageError
from harness.league.conditions import of_machines
from harness.league.plan import changed
from harness.model import TrialPlan, TrialResult
from harness.network import Network
from tests import hosts as namespaces

SERVER = "10.0.0.1:5555"
ALL = "delay=20ms,jitter=2ms,loss=0.1%,rate=100mbit"


@pytest.mark.parametrize(
    ("text", "network", "words"),
    [
        (
            ALL,
            Network(delay_ms=20, jitter_ms=2, loss_percent=0.1, rate_mbit=100),
            "20 ± 2 ms each way, 0.1 % lost, 100 Mbit/s",
        ),
        ("delay=500us", Network(delay_ms=0.5), "0.5 ms each way"),
        ("rate=1.5gbit, loss=1%", Network(rate_mbit=1500, loss_percent=1), "1 % lost, 1500 Mbit/s"),
    ],
)
def test_a_network_is_read_and_shown(text: str, network: Network, words: str) -> None:
    assert Network.parse(text) == network
    assert str(network) == words


@pytest.mark.parametrize(
    "text",
    [
        "delay",
        "delay=20",
        "delay=20%",
        "loss=1",
        "loss=100%",
        "jitter=2ms",
        "delay=1ms,jitter=2ms",
        "delay=1ms,delay=2ms",
        "rate=0mbit",
        "drop=1%",
        "",
    ],
)
def test_what_is_no_network_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        Network.parse(text)


# --- tc, which here only writes down how it was called

FAKE = """#!{python} -S
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
failing = os.environ.get("FAILING", "")
if failing and failing in " ".join(sys.argv):
    sys.exit(os.environ["SAYING"])
if sys.argv[1:3] == ["-json", "route"]:
    print(json.dumps([{{"dev": "eth" + sys.argv[4][-1]}}]))
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what was called, of programs `tc` and `ip` that are first on the path."""
    for name in ("tc", "ip"):
        (tmp_path / name).write_text(FAKE.format(python=sys.executable))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def called(calls: Path) -> list[str]:
    return [" ".join(json.loads(line)) for line in calls.read_text().splitlines()]


def shaping(text: str = ALL, *peers: str) -> Shaping:
    return Shaping(network=Network.parse(text), server=SERVER, peers=peers or ("10.0.0.2",))


def test_only_packets_of_the_load_are_delayed() -> None:
    qdisc, limit, netem, to_server, from_server = (" ".join(words) for words in commands(shaping(), "eth0"))
    assert qdisc == "tc qdisc add dev eth0 root handle 7a11: htb default 0"
    assert "classid 7a11:1 htb rate 100000kbit" in limit
    assert "parent 7a11:1" in netem and "delay 20ms 2ms distribution normal loss 0.1%" in netem
    assert to_server.endswith("match ip dst 10.0.0.1/32 match ip dport 5555 0xffff flowid 7a11:1")
    assert from_server.endswith("match ip src 10.0.0.1/32 match ip sport 5555 0xffff flowid 7a11:1")
    assert not any("netem" in words for words in commands(shaping("rate=1mbit"), "eth0"))


def test_a_network_is_set_on_each_way_to_the_others_and_removed_at_the_end(calls: Path) -> None:
    shaper = Shaper(shaping(ALL, "10.0.0.2", "10.0.0.3", "10.0.0.2"))
    assert shaper.problem == ""
    while_set = called(calls)
    assert [each for each in while_set if each.startswith("-json")] == [
        "-json route get 10.0.0.2",
        "-json route get 10.0.0.3",
    ]
    for device in ("eth2", "eth3"):
        assert sum(f"add dev {device}" in each for each in while_set) == 5
    shaper.end()
    assert called(calls)[len(while_set) :] == [
        f"qdisc del dev {device} root handle 7a11:" for device in ("eth2", "eth3")
    ]


def test_a_network_is_removed_when_the_process_that_has_set_it_is_killed(calls: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from harness.cluster.shaping import Shaper\n"
        "from tests.test_network import shaping\n"
        "assert Shaper(shaping()).problem == ''\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    assert ended.stderr == b"", "it has ended with the last process that holds it"
    assert ended.returncode == -signal.SIGKILL
    *before, last = called(calls)
    assert before[-1].startswith("filter add")
    assert last == "qdisc del dev eth2 root handle 7a11:"


@pytest.mark.parametrize(
    ("failing", "saying", "words"),
    [
        ("netem", "Error: Specified qdisc kind is unknown.", "its kernel has no netem, only a rate can be set"),
        ("add dev", "RTNETLINK answers: Operation not permitted", "its worker may not configure the network"),
        ("qdisc add dev", "RTNETLINK answers: File exists", "eth2 has a queueing discipline of its own"),
        ("filter", "no idea", "`tc filter add dev eth2 .*`: no idea"),
    ],
)
def test_what_cannot_be_set_is_one_sentence_and_nothing_stays(
    calls: Path, monkeypatch: pytest.MonkeyPatch, failing: str, saying: str, words: str
) -> None:
    monkeypatch.setenv("FAILING", failing)
    monkeypatch.setenv("SAYING", saying)
    with pytest.raises(Impossible, match=words):
        set_up(shaping())
    assert called(calls)[-1] == "qdisc del dev eth2 root handle 7a11:"


def test_without_tc_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Impossible, match="apt-get install iproute2"):
        set_up(shaping())


@pytest.mark.skipif(not namespaces.are_possible(), reason="this process may not make network namespaces")
def test_a_discipline_of_somebody_else_is_left_as_it_is() -> None:
    with namespaces.hosts(1) as ([host], _):
        words = ["ip", "netns", "exec", host.name]
        mine = ["tbf", "rate", "1mbit", "burst", "10kb", "latency", "50ms"]
        subprocess.run([*words, "tc", "qdisc", "add", "dev", "eth0", "root", *mine], check=True)
        code = (
            "from harness.cluster.shaping import Shaper, Shaping\n"
            "from harness.network import Network\n"
            f"server, peers = '{host.address}:1', ('10.93.0.99',)\n"
            "shaper = Shaper(Shaping(network=Network(rate_mbit=1), server=server, peers=peers))\n"
            "print(shaper.problem)\n"
            "shaper.end()\n"
        )
        ended = subprocess.run([*words, sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "eth0 has a queueing discipline of its own" in ended.stdout
        shown = subprocess.run(
            [*words, "tc", "qdisc", "show", "dev", "eth0"], capture_output=True, text=True, check=True
        )
        assert "tbf" in shown.stdout


# --- what a record and a table say


def result(workload: str, network: Network | None, *machines: str) -> TrialResult:
    plan = TrialPlan(block=0, implementation="it", spec="broadcast", workload=workload, parameters={}, network=network)
    where, *others = machines or ("",)
    return TrialResult(plan=plan, started="", seconds=1, machine=where, load_machines=tuple(others))


def test_figures_of_several_machines_say_where_and_through_which_network() -> None:
    slow = Network.parse("delay=20ms")
    trials = [result("flood", slow, "a", "b", "c"), result("paced", slow, "a", "b", "c"), result("idle", None)]
    assert of_machines(trials) == ["flood, paced: server on a, load from b, c; network between them: 20 ms each way"]
    assert of_machines([result("flood", None, "a", "b")])[0].endswith("network between them: as it is")
    assert of_machines([result("flood", None)]) == []


def test_rates_follow_the_number_of_clients_unless_they_are_given() -> None:
    parameters = {"clients": 100.0, "rate_per_s": 500.0, "seconds": 1.0}
    assert changed(parameters, {"clients": 1000}) == {"clients": 1000, "rate_per_s": 50, "seconds": 1}
    assert changed(parameters, {"clients": 1000, "rate_per_s": 7, "senders": 3})["rate_per_s"] == 7
    assert changed(parameters, {}) == parameters
