"""The search of a capacity, on simulated servers: one wrong step changes nothing, and constant noise ends it too."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness.load.search import Probe, bracket, next_rate
from harness.load.workloads.capacity import Capacity, is_sustained
from harness.model import TrialPlan, TrialResult

PRECISION = 1.1


def search(trial: Callable[[int, int], Probe], first: int = 4000) -> list[Probe]:
    """Return the steps of a search; `trial` takes the number of the step and the rate."""
    done: list[Probe] = []
    while (rate := next_rate(done, first=first, precision=PRECISION)) is not None:
        done.append(trial(len(done), rate))
    return done


@pytest.mark.parametrize("capacity", [1, 7, 130, 3999, 4000, 61_803, 900_000])
def test_a_server_without_noise_is_found_within_the_precision(capacity: int) -> None:
    done = search(lambda _, rate: Probe(rate, rate <= capacity))
    known = bracket(done)
    assert known.low and known.high
    assert known.low <= capacity < known.high
    assert known.high <= max(PRECISION * known.low, known.low + 1)
    assert len(done) <= 26


@pytest.mark.parametrize("capacity", [900, 61_803])
def test_one_wrong_step_changes_nothing(capacity: int) -> None:
    for bad in range(30):
        done = search(lambda step, rate, bad=bad: Probe(rate, (rate <= capacity) != (step == bad)))  # type: ignore[misc]
        known = bracket(done)
        assert known.low and known.high, bad
        assert known.low <= capacity < known.high, bad
        assert known.high <= PRECISION * known.low, bad


def test_steps_of_which_one_in_ten_is_wrong_mostly_lead_there() -> None:
    chance, right = random.Random(5), 0
    for _ in range(300):
        capacity = int(4000 * 4 ** chance.uniform(-1, 4))
        done = search(lambda _, rate, most=capacity: Probe(rate, (rate <= most) != (chance.random() < 0.1)))  # type: ignore[misc]
        known = bracket(done)
        right += bool(known.low and capacity / 1.25 < known.low < capacity * 1.25)
    assert right > 0.85 * 300


def test_a_server_that_holds_nothing_has_none_and_one_without_an_end_ends() -> None:
    assert bracket(search(lambda _, rate: Probe(rate, False))).low is None
    assert bracket(search(lambda _, rate: Probe(rate, True))).high is None


def test_the_generators_limit_needs_no_confirmation_and_is_reported() -> None:
    done = search(lambda _, rate: Probe(rate, rate <= 50_000, limited=rate > 40_000))
    assert bracket(done).limited
    failed = [probe.rate_per_s for probe in done if not probe.holds]
    assert len(failed) == len(set(failed))


GOOD = {"latency_p99_ns": 1e6, "dropped_share": 0.0, "sent_share": 1.0}
BOUND = {"p99_at_most_s": 0.05}


@pytest.mark.parametrize(
    "bad", [{"latency_p99_ns": 6e7}, {"dropped_share": 0.002}, {"sent_share": 0.9}, {"overloaded": 1.0}]
)
def test_a_rate_holds_with_its_latency_its_deliveries_and_its_schedule(bad: dict[str, float]) -> None:
    assert is_sustained(GOOD, BOUND)
    assert not is_sustained(GOOD | bad, BOUND)


def test_the_workload_asks_for_steps_and_returns_their_outcome() -> None:
    search, done = Capacity.search, list[TrialResult]()
    profile = Capacity.profiles["full"]
    while parameters := search.next_probe(profile, done):
        figures = GOOD | ({} if parameters["rate_per_s"] <= 20_000 else {"dropped_share": 0.5})
        plan = TrialPlan(
            block=0, implementation="it", spec="any", workload="capacity", parameters=parameters, probe=len(done)
        )
        done.append(TrialResult(plan=plan, started="", seconds=1, figures=figures))
    outcome = search.outcome(done)
    assert outcome["capacity_low_per_s"] == outcome["capacity_per_s"] <= 20_000 < outcome["capacity_high_per_s"]
    assert outcome["capacity_at_least"] == 0
    assert search.next_probe(profile, [TrialResult(plan=plan, started="", seconds=1, did_not_finish="died")]) is None
