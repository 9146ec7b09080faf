"""The plan of a run: which trials are made, in which order, and which are made again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import anyio
import msgspec
import pytest

from harness import plugins
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
    """A workload that no server meets."""

    summary = ""
    figures = ()

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

    reported = ("found",)
    search = HalvingSearch()


def design(*workloads: Workload, ghost: str = "bee", **changed: object) -> Design:
    settings: dict[str, object] = {
        "implementations": ZOO,
        "ghosts": {"broadcast": ghost} if ghost else {},
        "ceilings": [server("null")],
        "specs": plugins.specs(),
        "workloads": {one.name: one for one in workloads or (Load("flood"),)},
        "profile": PROFILE,
        "seed": 1,
    }
    return Design(**(settings | changed))  # type: ignore[arg-type]  # they are of many types, and a dict has one


def made_of(one: TrialPlan, **figures: float) -> TrialResult:
    return TrialResult(plan=one, started="", seconds=0, figures=figures)


def test_each_block_has_everybody_once_and_the_ghost_and_the_next_is_the_other_way_round() -> None:
    plans = list(planned(design(), []))
    blocks = [[(one.implementation, one.is_control) for one in plans if one.block == block] for block in range(8)]
    everybody = [("ant", False), ("bee", False), ("bee", True), ("cow", False)]
    assert all(sorted(block) == everybody for block in blocks)
    assert all(blocks[block + 1] == blocks[block][::-1] for block in (0, 2, 4, 6))
    assert len({tuple(block) for block in blocks}) > 2, "the order is random"
    assert len({one.key for one in plans}) == len(plans)


def test_who_has_little_time_begins_with_all_blocks_of_the_load_that_ranks() -> None:
    hurried = list(planned(design(Load("idle"), Load("flood")), [], ranked_first=True))
    assert [one.workload for one in hurried] == 8 * 4 * ["flood"] + 8 * 3 * ["idle"]
    assert {one.key for one in hurried} == {one.key for one in planned(design(Load("idle"), Load("flood")), [])}
    beside = design(Halving("beside", rate=1), Load("idle"), Load("flood"))
    order = [one.workload for one in planned(beside, [], ranked_first=True)]
    assert list(dict.fromkeys(order)) == ["flood", "idle", "beside"], "what is told beside the league comes last"


def test_the_ghost_meets_the_workload_that_ranks_and_no_other() -> None:
    plans = list(planned(design(Load("flood"), Load("idle", blocks=2)), []))
    assert {one.workload for one in plans if one.is_control} == {"flood"}
    assert {one.block for one in plans if one.workload == "idle"} == {0, 1}


def test_the_null_server_meets_the_ceiling_and_nobody_else_does() -> None:
    plans = list(planned(design(Load("flood"), Load("baseline")), []))
    assert {one.implementation for one in plans if one.workload == "baseline"} == {"null"}
    assert sum(one.workload == "baseline" for one in plans) == 8
    assert "null" not in {one.implementation for one in plans if one.workload == "flood"}


def test_the_reference_is_the_first_idiomatic_one_of_each_spec_or_the_one_that_was_named() -> None:
    servers = [server("ant", category="tuned"), server("bee"), server("cow"), server("dog", "channels", "engine")]
    assert references(servers, PROFILE) == {"broadcast": "bee", "channels": "dog"}
    assert references(servers, PROFILE, "cow") == {"broadcast": "cow", "channels": "dog"}
    assert references(servers, Profile("smoke", 1)) == {}, "so few blocks tell nobody apart"


def test_a_search_goes_in_rounds_until_everybody_has_found() -> None:
    done: list[TrialResult] = []
    search = Halving("halving", rate=4, blocks=1)
    for one in planned(design(search), done):
        done.append(made_of(one))
    assert [one.plan.probe for one in done] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [one.plan.parameters["rate"] for one in done] == [4, 4, 4, 2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("many", range(9))
def test_a_search_that_was_interrupted_goes_on_where_it_was(many: int) -> None:
    search = Halving("halving", rate=4, blocks=1)
    whole: list[TrialResult] = []
    for one in planned(design(search), whole):
        whole.append(made_of(one))
    done = whole[:many]
    for one in planned(design(search), done):
        if one.key not in {each.plan.key for each in done}:
            done.append(made_of(one))
    assert done == whole


def test_a_search_ends_for_whoever_does_not_finish_a_step_or_is_always_disturbed() -> None:
    done: list[TrialResult] = []
    for one in planned(design(Halving("halving", rate=4, blocks=1)), done):
        wrong = {"ant": {"did_not_finish": "dead"}, "bee": {"disturbed": "noise"}}.get(one.implementation, {})
        done.append(msgspec.structs.replace(made_of(one), **wrong))
    assert [one.plan.implementation for one in done if one.plan.probe] == ["cow", "cow"]


def test_the_steps_of_a_search_are_one_result() -> None:
    class Plugin:
        @plugins.hookimpl
        def harness_workloads(self) -> list[Workload]:
            return [Halving("halving")]

    plugin = Plugin()
    plugins.manager().register(plugin)
    try:
        done: list[TrialResult] = []
        for one in planned(design(Halving("halving", rate=4, blocks=2)), done):
            done.append(made_of(one))
        found = valid_trials([trial("ant", figures={"deliveries_per_s": 1}), *done])
        assert [one.figures.get("found") for one in found] == [None, *[1] * 6]
        assert [limited_by_generator(one) for one in found] == [False, *[True] * 6]
        assert len({one.plan.key for one in found}) == 7
    finally:
        plugins.manager().unregister(plugin)


# --- blocks that are added


def rates(plans: Iterator[TrialPlan], done: list[TrialResult], rate: Callable[[TrialPlan], float]) -> None:
    for one in plans:
        done.append(made_of(one, deliveries_per_s=rate(one)))


def noisy(one: TrialPlan) -> float:
    """Ant and bee cannot be told apart, for each is before the other in half of the blocks; cow is far behind."""
    level = {"ant": 100.0, "bee": 100.0, "cow": 10.0}[one.implementation]
    return level * (1.2 if (one.block + (one.implementation == "ant")) % 2 else 0.8)


def test_blocks_are_added_for_those_who_are_not_told_apart_until_the_time_is_over() -> None:
    done: list[TrialResult] = []
    rates(planned(design(ghost=""), done), done, noisy)
    blocks_left = iter(range(20))
    rates(added(design(ghost=""), done, lambda: next(blocks_left, None) is None), done, noisy)
    more = [one.plan for one in done if one.plan.block >= 8]
    assert {one.implementation for one in more} == {"ant", "bee"}
    assert {one.block for one in more} == set(range(8, 28))
    assert {one.workload for one in more} == {"flood"}


def test_no_block_is_added_when_all_are_told_apart_or_there_is_no_time() -> None:
    done: list[TrialResult] = []
    rates(planned(design(ghost=""), done), done, lambda one: {"ant": 1, "bee": 2, "cow": 3}[one.implementation] * 1e6)
    assert list(added(design(ghost=""), done, lambda: False)) == []
    done = []
    rates(planned(design(ghost=""), done), done, noisy)
    assert list(added(design(ghost=""), done, lambda: True)) == []


def test_who_gets_more_blocks_is_asked_again_when_there_are_twice_as_many() -> None:
    """Bee falls behind from block 8 on: at block 16 it is told, and nothing is left to do."""
    done: list[TrialResult] = []
    rates(planned(design(ghost=""), done), done, noisy)
    late = {"ant": 100.0, "bee": 1.0, "cow": 10.0}
    rates(
        added(design(ghost=""), done, lambda: False), done, lambda one: late[one.implementation] * (1 + one.block / 99)
    )
    assert max(one.plan.block for one in done) == 15


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


def made_by(disturbed: int, done: list[TrialResult], monkeypatch: pytest.MonkeyPatch) -> list[TrialResult]:
    """Return the results that are new when a block is made by a worker that tells so many answers to be disturbed."""
    monkeypatch.setattr(bench_module, "COMMAND", (sys.executable, "-c", WORKER.format(disturbed=disturbed)))
    ended: list[TrialResult] = []
    plans = [trial(name).plan for name in ("bee", "ant")]
    anyio.run(bench, plans, ZOO, done, lambda one: None, ended.append, 3)
    return ended


def test_a_disturbed_trial_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = made_by(1, [], monkeypatch)
    assert [(one.plan.implementation, one.disturbed) for one in ended] == [("bee", "noise"), ("bee", ""), ("ant", "")]


def test_a_trial_that_is_always_disturbed_is_given_up_after_three_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[TrialResult] = []
    assert [one.plan.implementation for one in made_by(99, done, monkeypatch)] == ["bee", "bee", "bee", "ant"]
    assert len(done) == 4, "all of them are handed on"
    assert made_by(99, done, monkeypatch) == [], "a run that is gone on with does not begin to count again"


def test_the_profiles_have_enough_blocks_to_tell_somebody_apart() -> None:
    assert all(one.blocks >= 6 for name, one in PROFILES.items() if name != "smoke")
