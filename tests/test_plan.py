"""The trials of the workloads that no rank depends on: their order, and which trials are repeated."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

import anyio
import msgspec
import pytest

from harness import plugins
from harness.codec import Codec
from harness.figures import COUNT, Better, Figure
from harness.kinds import Workload
from harness.league import bench as bench_module
from harness.league.bench import bench
from harness.league.inference import fewest_blocks
from harness.league.plan import planned
from harness.league.profiles import PROFILES, SLICES, Profile
from harness.league.valid_trials import limited_by_generator, valid_trials
from harness.model import TrialPlan, TrialResult
from tests.simulated_runs import server, trial

PROFILE = Profile("quick", 12, 4, SLICES, trial_blocks=8)
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


def plans_of(*workloads: Workload, done: Sequence[TrialResult] = (), seed: int = 1) -> Iterator[TrialPlan]:
    """Return the plans of a run of these workloads; "done" may grow meanwhile."""
    return planned(ZOO, workloads or (Load("flood"),), PROFILE, plugins.specs(), done, seed=seed)


def result_of(plan: TrialPlan, **figures: float) -> TrialResult:
    return TrialResult(plan=plan, started="", seconds=0, figures=figures)


def test_each_block_has_every_server_once_and_the_next_block_is_reversed() -> None:
    plans = list(plans_of())
    blocks = [[plan.implementation for plan in plans if plan.block == block] for block in range(8)]
    assert all(sorted(block) == ["ant", "bee", "cow"] for block in blocks)
    assert all(blocks[block + 1] == blocks[block][::-1] for block in (0, 2, 4, 6))
    assert len({tuple(block) for block in blocks}) > 2, "the order is random"
    assert len({plan.key for plan in plans}) == len(plans) == 8 * 3
    assert list(plans_of()) == plans, "a resumed run has the same order"
    assert list(plans_of(seed=2)) != plans


def test_a_workload_has_the_blocks_of_the_profile_or_its_own_number() -> None:
    plans = list(plans_of(Load("flood"), Load("idle", blocks=2)))
    assert {plan.block for plan in plans if plan.workload == "flood"} == set(range(8))
    assert {plan.block for plan in plans if plan.workload == "idle"} == {0, 1}
    assert [plan.workload for plan in plans if plan.block == 1] == 3 * ["flood"] + 3 * ["idle"]


def test_a_workload_that_the_profile_does_not_have_has_no_trials() -> None:
    only_full = Load("flood_10")
    only_full.profiles = {"full": {}}
    assert {plan.workload for plan in plans_of(Load("flood"), only_full)} == {"flood"}
    assert list(plans_of(only_full)) == []


def test_a_server_gets_only_workloads_that_suit_its_protocol() -> None:
    class Topics(Load):
        def suits(self, codec: Codec) -> bool:
            return codec is plugins.specs()["channels"].codec

    servers = [*ZOO, server("dog", "channels")]
    plans = list(planned(servers, [Topics("topics"), Load("flood")], PROFILE, plugins.specs(), [], seed=1))
    assert {plan.implementation for plan in plans if plan.workload == "topics"} == {"dog"}
    assert {plan.implementation for plan in plans if plan.workload == "flood"} == {"ant", "bee", "cow", "dog"}


def test_a_search_goes_in_rounds_until_every_server_has_ended() -> None:
    done: list[TrialResult] = []
    search = Halving("halving", rate=4, blocks=1)
    for plan in plans_of(search, done=done):
        done.append(result_of(plan))
    assert [trial.plan.probe for trial in done] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [trial.plan.parameters["rate"] for trial in done] == [4, 4, 4, 2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("many", range(9))
def test_an_interrupted_search_continues_where_it_was(many: int) -> None:
    search = Halving("halving", rate=4, blocks=1)
    whole: list[TrialResult] = []
    for plan in plans_of(search, done=whole):
        whole.append(result_of(plan))
    done = whole[:many]
    for plan in plans_of(search, done=done):
        if plan.key not in {each.plan.key for each in done}:
            done.append(result_of(plan))
    assert done == whole


def test_a_search_ends_for_a_server_that_does_not_finish_a_step_or_is_always_disturbed() -> None:
    done: list[TrialResult] = []
    for plan in plans_of(Halving("halving", rate=4, blocks=1), done=done):
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
        for plan in plans_of(Halving("halving", rate=4, blocks=2), done=done):
            done.append(result_of(plan))
        found = valid_trials([trial("ant", figures={"deliveries_per_s": 1}), *done])
        assert [trial.figures.get("found") for trial in found] == [None, *[1] * 6]
        assert [limited_by_generator(trial) for trial in found] == [False, *[True] * 6]
        assert len({trial.plan.key for trial in found}) == 7
    finally:
        plugins.manager().unregister(plugin)


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
    assert all(profile.blocks >= fewest_blocks() for name, profile in PROFILES.items() if name != "smoke")
