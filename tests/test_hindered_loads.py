"""Loads that this machine or the harness itself ends before their time: no server is blamed for that."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Pipe
from types import SimpleNamespace

import pytest

from harness import plugins
from harness.addresses import Address
from harness.blocks import Entry, SlicePlan
from harness.commands.measure import _verdict
from harness.errors import HarnessError, Inconclusive, Violation
from harness.league import bench as bench_module
from harness.league import block as block_module
from harness.league import trial as trial_module
from harness.league.bench import LocalTrials
from harness.league.block import Block
from harness.league.messages import BlockRequest, TrialRequest
from harness.league.trial import Cores, run_trial
from harness.load.clients.connect import connect
from harness.load.endings import own_faults
from harness.load.processes import LoadProcesses
from harness.model import TrialPlan, Verdict
from tests.zoo import CONFORMING, implementation

SERVER = implementation(CONFORMING)
FULL = "the harness's own fault: No space left on device"
# Loads that answer each request so, or end with a traceback.
ANSWERING = """
import sys
for line in sys.stdin:
    print({answer!r}, flush=True)
"""
CRASHING = "import sys; sys.stdin.readline(); raise OSError(28, 'No space left on device')"
FULL_ANSWER = ANSWERING.format(answer=f'{{"hindrance": "{FULL}"}}')


class Refusing(socket.socket):
    """A socket that cannot connect, because of this machine."""

    def connect_ex(self, address: object) -> int:
        return errno.EADDRNOTAVAIL


def no_descriptor(*arguments: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [(no_descriptor, "Too many open files"), (Refusing, "Cannot assign requested address")],
)
def test_a_client_that_the_machine_refuses_is_no_violation(
    replacement: Callable[..., object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", replacement)
    with pytest.raises(Inconclusive, match=f"the harness cannot connect client 3: {reason}"):
        connect(Address("127.0.0.1", 1), 1, first=3)


# --- several processes


def raising(error: Exception | None) -> Callable[[], None]:
    def act() -> None:
        if error:
            raise error

    return act


@pytest.mark.parametrize("hindered", [0, 1])
@pytest.mark.parametrize("also", [None, Violation("it sent too much")])
def test_what_hinders_one_process_ends_the_action_of_all(hindered: int, also: Violation | None) -> None:
    """A server may seem to break a rule because a process of its load cannot go on."""
    ours, theirs = Pipe()
    ranks = [LoadProcesses(0, 2, [ours]), LoadProcesses(1, 2, [theirs])]
    errors: list[Exception | None] = [also, also]
    errors[hindered] = Inconclusive(FULL)
    with ThreadPoolExecutor() as threads:
        actions = [threads.submit(rank.together, raising(error)) for rank, error in zip(ranks, errors, strict=True)]
        for action in actions:
            with pytest.raises(Inconclusive, match=FULL):
                action.result()
        again = [threads.submit(rank.together, raising(None)) for rank in ranks]
        assert [action.result() for action in again] == [None, None]


def test_a_process_that_cannot_go_on_says_so_in_the_place_of_a_value() -> None:
    ours, theirs = Pipe()
    LoadProcesses(1, 2, [theirs]).report_ending(Inconclusive(FULL))
    with pytest.raises(Inconclusive, match=FULL):
        LoadProcesses(0, 2, [ours]).gather("value")


def test_a_refused_system_call_is_a_fault_of_the_harness() -> None:
    with pytest.raises(Inconclusive, match=FULL), own_faults():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# --- blocks and trials


def load_by(script: str, module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a script stand for the load."""
    monkeypatch.setattr(module, "PYTHON", (sys.executable, "-c", script))


REQUEST = BlockRequest(
    number=0,
    spec="broadcast",
    entries=(Entry(SERVER.name),),
    implementations=(SERVER,),
    plan=(SlicePlan("few", 0.02),),
    rounds=1,
    clients=2,
)


@pytest.mark.parametrize("script", [FULL_ANSWER, CRASHING])
async def test_a_block_without_its_load_is_no_failure_of_a_server(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_by(script, block_module, monkeypatch)
    result = await Block(REQUEST, Cores()).run()
    assert result.disturbed == result.failed
    assert result.failed["0"].startswith("the harness's own fault: ")
    assert "No space left on device" in result.failed["0"]
    assert len(result.failed["0"].splitlines()) == 1


PLAN = TrialPlan(
    spec="broadcast",
    workload="flood",
    implementation=SERVER.name,
    block=0,
    parameters=dict(plugins.workloads()["flood"].profiles["smoke"]),
)


@pytest.mark.parametrize("script", [FULL_ANSWER, CRASHING])
async def test_a_trial_without_its_load_is_no_failure_of_a_server(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_by(script, trial_module, monkeypatch)
    result = await run_trial(TrialRequest(PLAN, SERVER), Cores())
    assert result.did_not_finish == result.disturbed
    assert "No space left on device" in result.did_not_finish


async def test_a_trial_whose_worker_dies_is_no_failure_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "COMMAND", (sys.executable, "-c", CRASHING))
    async with LocalTrials() as trials:
        result = await trials.run(TrialRequest(PLAN, SERVER))
    assert result.did_not_finish == result.disturbed
    assert "No space left on device" in result.did_not_finish
    run = SimpleNamespace(blocks=[], trials=[result])
    assert _verdict(run, []) is Verdict.UNKNOWN  # type: ignore[arg-type]


@pytest.mark.parametrize("is_trial", [True, False])
async def test_a_server_that_this_machine_cannot_start_has_not_failed(
    is_trial: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise HarnessError("no port is free")

    monkeypatch.setattr(trial_module if is_trial else block_module, "launch", refused)
    if is_trial:
        trial = await run_trial(TrialRequest(PLAN, SERVER), Cores())
        assert (trial.did_not_finish, trial.disturbed) == ("no port is free", "no port is free")
    else:
        block = await Block(REQUEST, Cores()).run()
        assert block.failed == block.disturbed == {"0": "no port is free"}
