"""The plan of a run: its trials and their order, and which trials are repeated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import anyio
import msgspec
import pytest

from harness import plugins
from harness.figures import COUNT, Better, Figure
from harness.kinds import Workload
from harness.league import bench as bench_module
from harness.league.bench import bench
from harness.league.plan import Design, added, planned, references
from harness.league.profiles import PROFILES, Profile
from harness.league.valid_trials import limited_by_generator, valid_trials
from harness.model import TrialPlan, TrialResult
from tests.simulated_runs import server, trial

PROFILE = Profile("quick", 8)
ZOO = [server(name) for name in ("ant", "bee", "cow")]


class Load(Workload):
    """A workload that never runs."""

    summary = ""
    figures: tuple[Figure, ...] = ()

    def __init__(self, name: str, **parameters: float) -> None:
        self.name = name
        self.profiles: Mapping[str, dict[str, float]] = {"quick": parameters}

    def run(self, swarm: object, parameters: object) -> None:
        """Do nothing."""


class HalvingSearch:
    """Halves a rate until it is below one."""

    def next_probe(self, parameters: Mapping[str, float], done: Sequence[TrialResult]) -> dict[str, float] | None:
        rate = done[-1].plan.parameters["rate"] / 2 if done else parameters["rate"]
        return {"rate": rate} if rate >= 1 else None

    def outcome(self, done: Sequence[TrialResult]) -> dict[str, float]:
        return {"found": done[-1].plan.parameters["rate"], "found_at_least": 1}


class Halving(Load):
    """A workload that searches."""

    figures = (
        Figure("found", "found", COUNT, Better.NEITHER, "the last rate"),
        Figure("found_at_least", "lower bound", COUNT, Better.NEITHER, "1 where it is a lower bound", is_raw=True),
    )
    reported = ("found",)
    search = HalvingSearch()


def design(*workloads: Workload, control: str = "bee", **changed: object) -> Design:
    settings: dict[str, object] = {
        "implementations": ZOO,
        "controls": {"broadcast": control} if control else {},
        "baselines": [server("relay")],
        "specs": plugins.specs(),
        "workloads": {workload.name: workload for workload in workloads or (Load("flood"),)},
        "profile": PROFILE,
        "seed": 1,
    }
    return Design(**(settings | changed))  # type: ignore[arg-type]  # a dict has one type of values, these have many


def result_of(plan: TrialPlan, **figures: float) -> TrialResult:
    return TrialResult(plan=plan, started="", seconds=0, figures=figures)


def test_each_block_has_every_server_once_and_the_control_and_the_next_block_is_reversed() -> None:
    plans = list(planned(design(), []))
    blocks = [[(plan.implementation, plan.is_control) for plan in plans if plan.block == block] for block in range(8)]
    entries = [("ant", False), ("bee", False), ("bee", True), ("cow", False)]
    assert all(sorted(block) == entries for block in blocks)
    assert all(blocks[block + 1] == blocks[block][::-1] for block in (0, 2, 4, 6))
    assert len({tuple(block) for block in blocks}) > 2, "the order is random"
    assert len({plan.key for plan in plans}) == len(plans)


def test_under_a_deadline_all_blocks_of_the_ranking_workload_come_first() -> None:
    hurried = list(planned(design(Load("idle"), Load("flood")), [], ranked_first=True))
    assert [plan.workload for plan in hurried] == 8 * 4 * ["flood"] + 8 * 3 * ["idle"]
    usual = planned(design(Load("idle"), Load("flood")), [])
    assert {plan.key for plan in hurried} == {plan.key for plan in usual}
    beside = design(Halving("beside", rate=1), Load("idle"), Load("flood"))
    order = [plan.workload for plan in planned(beside, [], ranked_first=True)]
    assert list(dict.fromkeys(order)) == ["flood", "idle", "beside"], "the table of other workloads comes last"


def test_the_control_gets_the_ranking_workload_and_no_other() -> None:
    plans = list(planned(design(Load("flood"), Load("idle", blocks=2)), []))
    assert {plan.workload for plan in plans if plan.is_control} == {"flood"}
    assert {plan.block for plan in plans if plan.workload == "idle"} == {0, 1}


def test_the_relay_gets_the_baseline_workload_and_no_server_does() -> None:
    plans = list(planned(design(Load("flood"), Load("baseline")), []))
    assert {plan.implementation for plan in plans if plan.workload == "baseline"} == {"relay"}
    assert sum(plan.workload == "baseline" for plan in plans) == 8
    assert "relay" not in {plan.implementation for plan in plans if plan.workload == "flood"}


def test_the_reference_is_the_first_idiomatic_server_of_each_spec_or_the_named_one() -> None:
    servers = [server("ant", category="tuned"), server("bee"), server("cow"), server("dog", "channels", "engine")]
    assert references(servers, PROFILE) == {"broadcast": "bee", "channels": "dog"}
    assert references(servers, PROFILE, "cow") == {"broadcast": "cow", "channels": "dog"}
    assert references(servers, Profile("smoke", 1)) == {}, "so few blocks distinguish no servers"


def test_a_search_goes_in_rounds_until_every_server_has_ended() -> None:
    done: list[TrialResult] = []
    search = Halving("halving", rate=4, blocks=1)
    for plan in planned(design(search), done):
        done.append(result_of(plan))
    assert [trial.plan.probe for trial in done] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [trial.plan.parameters["rate"] for trial in done] == [4, 4, 4, 2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("many", range(9))
def test_an_interrupted_search_continues_where_it_was(many: int) -> None:
    search = Halving("halving", rate=4, blocks=1)
    whole: list[TrialResult] = []
    for plan in planned(design(search), whole):
        whole.append(result_of(plan))
    done = whole[:many]
    for plan in planned(design(search), done):
        if plan.key not in {each.plan.key for each in done}:
            done.append(result_of(plan))
    assert done == whole


def test_a_search_ends_for_a_server_that_does_not_finish_a_step_or_is_always_disturbed() -> None:
    done: list[TrialResult] = []
    for plan in planned(design(Halving("halving", rate=4, blocks=1)), done):
        wrong = {"ant": {"did_not_finish": "dead"}, "bee": {"disturbed": "noise"}}.get(plan.implementation, {})
        done.append(msgspec.structs.replace(result_of(plan), **wrong))
    assert [trial.plan.implementation for trial in done if trial.plan.probe] == ["cow", "cow"]


def test_the_steps_of_a_search_become_one_result() -> None:
    class Plugin:
        @plugins.hookimpl
        def harness_workloads(self) -> list[Workload]:
            return [Halving("halving")]

    plugin = Plugin()
    plugins.manager().register(plugin)
    try:
        done: list[TrialResult] = []
        for plan in planned(design(Halving("halving", rate=4, blocks=2)), done):
            done.append(result_of(plan))
        found = valid_trials([trial("ant", figures={"deliveries_per_s": 1}), *done])
        assert [trial.figures.get("found") for trial in found] == [None, *[1] * 6]
        assert [limited_by_generator(trial) for trial in found] == [False, *[True] * 6]
        assert len({trial.plan.key for trial in found}) == 7
    finally:
        plugins.manager().unregister(plugin)


# --- blocks that are added


def rates(plans: Iterator[TrialPlan], done: list[TrialResult], rate: Callable[[TrialPlan], float]) -> None:
    for plan in plans:
        done.append(result_of(plan, deliveries_per_s=rate(plan)))


def noisy(plan: TrialPlan) -> float:
    """Ant and bee do not differ: each is ahead in half of the blocks; cow is far behind."""
    level = {"ant": 100.0, "bee": 100.0, "cow": 10.0}[plan.implementation]
    return level * (1.2 if (plan.block + (plan.implementation == "ant")) % 2 else 0.8)


def test_blocks_are_added_for_undecided_neighbours_until_the_time_is_over() -> None:
    done: list[TrialResult] = []
    rates(planned(design(control=""), done), done, noisy)
    blocks_left = iter(range(20))
    rates(added(design(control=""), done, lambda: next(blocks_left, None) is None), done, noisy)
    more = [trial.plan for trial in done if trial.plan.block >= 8]
    assert {plan.implementation for plan in more} == {"ant", "bee"}
    assert {plan.block for plan in more} == set(range(8, 28))
    assert {plan.workload for plan in more} == {"flood"}


def test_no_block_is_added_when_all_servers_differ_or_there_is_no_time() -> None:
    done: list[TrialResult] = []
    rates(
        planned(design(control=""), done), done, lambda plan: {"ant": 1, "bee": 2, "cow": 3}[plan.implementation] * 1e6
    )
    assert list(added(design(control=""), done, lambda: False)) == []
    done = []
    rates(planned(design(control=""), done), done, noisy)
    assert list(added(design(control=""), done, lambda: True)) == []


def test_undecided_servers_are_determined_again_at_twice_the_blocks() -> None:
    """Bee falls behind from block 8 on: at block 16 that is significant, and nothing is left to do."""
    done: list[TrialResult] = []
    rates(planned(design(control=""), done), done, noisy)
    late = {"ant": 100.0, "bee": 1.0, "cow": 10.0}
    rates(
        added(design(control=""), done, lambda: False),
        done,
        lambda plan: late[plan.implementation] * (1 + plan.block / 99),
    )
    assert max(trial.plan.block for trial in done) == 15


# --- making them

WORKER = """
import json, sys
count = 0
for line in sys.stdin:
    plan = json.loads(line)["plan"]
    count += 1
    disturbed = "noise" if plan["implementation"] == "bee" and count <= {disturbed} else ""
    print(json.dumps({{"plan": plan, "started": "", "seconds": 0, "disturbed": disturbed}}), flush=True)
"""


def bench_with_worker(disturbed: int, done: list[TrialResult], monkeypatch: pytest.MonkeyPatch) -> list[TrialResult]:
    """Return the new results of a block whose worker reports so many trials as disturbed."""
    monkeypatch.setattr(bench_module, "COMMAND", (sys.executable, "-c", WORKER.format(disturbed=disturbed)))
    ended: list[TrialResult] = []
    plans = [trial(name).plan for name in ("bee", "ant")]
    anyio.run(bench, plans, ZOO, done, lambda plan: None, ended.append, 3)
    return ended


def test_a_disturbed_trial_is_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = bench_with_worker(1, [], monkeypatch)
    assert [(trial.plan.implementation, trial.disturbed) for trial in ended] == [
        ("bee", "noise"),
        ("bee", ""),
        ("ant", ""),
    ]


def test_a_trial_that_is_always_disturbed_has_three_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[TrialResult] = []
    assert [trial.plan.implementation for trial in bench_with_worker(99, done, monkeypatch)] == [
        "bee",
        "bee",
        "bee",
        "ant",
    ]
    assert len(done) == 4, "all results are passed on"
    assert bench_with_worker(99, done, monkeypatch) == [], "a resumed run does not count attempts anew"


def test_the_profiles_have_enough_blocks_for_significant_differences() -> None:
    assert all(profile.blocks >= 6 for name, profile in PROFILES.items() if name != "smoke")
