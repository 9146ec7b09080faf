"""The arithmetic of benchmarks/interleaved.py, with alternatives whose figures are known."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import anyio
import numpy as np
import pytest

from benchmarks.interleaved import Alternative, Bound, Figures, Interval, Slice, digits, measure, module, ratios, turns

BOTH = ("load", "latency")


class SimulatedMachine:
    """Alternatives of known speed on a machine that gets faster with every slice."""

    def __init__(self) -> None:
        self.slices, self.starts = 0, Counter[str]()

    @asynccontextmanager
    async def start(self, name: str, speed: float) -> AsyncIterator[Slice]:
        self.starts[name] += 1
        slices_of_this_start = 0

        async def run(kind: str) -> Figures:
            nonlocal slices_of_this_start
            slices_of_this_start += 1
            self.slices += 1
            cold = 1000.0 if slices_of_this_start == 1 else 1.0
            return {kind: cold * speed * math.exp(0.01 * self.slices)}

        yield run

    def alternative(self, name: str, speed: float, kinds: tuple[str, ...] = ("load",)) -> Alternative:
        return Alternative(name, kinds, partial(self.start, name, speed))


def test_a_round_has_each_slice_once_and_every_other_one_goes_backwards() -> None:
    kinds = [BOTH, BOTH, ("load",)]
    slices = list(turns(kinds, 6, random.Random(1)))
    rounds = {number: [(kind, place) for n, kind, place in slices if n == number] for number in range(-1, 6)}
    every = {(kind, place) for place, own in enumerate(kinds) for kind in own}
    assert all(set(of_round) == every and len(of_round) == len(every) for of_round in rounds.values())
    assert all(rounds[number] == rounds[number + 1][::-1] for number in (0, 2, 4))
    assert len({tuple(rounds[number]) for number in (0, 2, 4)}) > 1


def test_slices_of_one_kind_follow_one_another() -> None:
    for number in range(20):
        order = [kind for _, kind, _ in turns([BOTH] * 3, 0, random.Random(number))]
        assert sum(one != other for one, other in pairwise(order)) == 1


def test_a_drift_of_the_machine_cancels_and_cold_slices_do_not_count() -> None:
    machine = SimulatedMachine()
    names = {"base": 5.0, "double": 10.0, "half": 2.5}
    alternatives = [machine.alternative(name, speed) for name, speed in names.items()]
    table = anyio.run(measure, alternatives, 6, 4)
    assert machine.starts == dict.fromkeys(names, 6), "each block starts all of them"
    assert np.exp(table["load"] - table["load"][:, :1]) == pytest.approx(np.tile([1, 2, 0.5], (6, 1)))


def test_an_alternative_may_lack_a_kind() -> None:
    machine = SimulatedMachine()
    alternatives = [machine.alternative("base", 1, BOTH), machine.alternative("other", 2)]
    table = anyio.run(measure, alternatives, 6, 4)
    assert np.isnan(table["latency"][:, 1]).all() and not np.isnan(table["latency"][:, 0]).any()
    assert list(ratios(table)) == [("load", 1)]


def noisy(
    blocks: int, seed: int = 1, noise: float = 0.02
) -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Return a table of three alternatives with the ratios 1 : 1 : 2, under shifts of whole blocks."""
    chance = np.random.default_rng(seed)
    level = np.log([3.0, 3.0, 6.0])
    return {"load": level + noise * chance.normal(size=(blocks, 3)) + 5 * chance.normal(size=(blocks, 1))}


def test_ratios_have_intervals_from_six_blocks_on() -> None:
    found = ratios(noisy(6))
    assert found["load", 2].mean == pytest.approx(2, rel=0.05)
    assert 1.5 < found["load", 2].low < 2 < found["load", 2].high < 3
    assert found["load", 1].low < 1 < found["load", 1].high
    assert math.isnan(ratios(noisy(5))["load", 2].low)


def test_the_intervals_of_a_table_hold_together() -> None:
    """More rows of the same noise make each interval wider, and not the mean another."""
    one, many = noisy(8), {f"row {seed}": noisy(8, seed)["load"] for seed in range(1, 21)}
    alone, among = ratios(one)["load", 2], ratios(many)["row 1", 2]
    assert among.mean == pytest.approx(alone.mean)
    assert among.high / among.low > alone.high / alone.low


def test_noisy_figures_hardly_widen_the_intervals_of_others() -> None:
    def width(of: Interval) -> float:
        return math.log(of.high / of.low)

    loud = {f"loud {seed}": noisy(8, seed, noise=2.0)["load"] for seed in (2, 3)}
    assert width(ratios(noisy(8) | loud)["load", 2]) < 3 * width(ratios(noisy(8))["load", 2])


@pytest.mark.parametrize(
    ("low", "high", "bound", "verdict"),
    [
        (0.96, 1.02, Bound(at_least=0.95), "holds"),
        (0.90, 1.02, Bound(at_least=0.95), "undecided"),
        (0.80, 0.94, Bound(at_least=0.95), "missed"),
        (0.96, 1.02, Bound(at_most=1.1), "holds"),
        (1.05, 1.20, Bound(at_most=1.1), "undecided"),
        (1.11, 1.20, Bound(at_most=1.1), "missed"),
        (math.nan, math.nan, Bound(at_least=0.95), "undecided"),
    ],
)
def test_a_bound_is_missed_only_when_the_whole_interval_is_beyond_it(
    low: float, high: float, bound: Bound, verdict: str
) -> None:
    assert bound.verdict(Interval(1.0, low, high)) == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (0.0123, "0.012")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert digits(value) == text


def test_a_module_runs_slices() -> None:
    async def figures() -> list[Figures]:
        async with module("benchmarks.executor_beside", "0") as run:
            return [await run("yields") for _ in range(2)]

    for of_slice in anyio.run(figures):
        assert set(of_slice) == {"yields, time", "yields, processor time"}
        assert all(value > 0 for value in of_slice.values())


def test_a_program_that_ends_is_reported() -> None:
    async def run_unknown_program() -> None:
        async with module("benchmarks.executor_beside", "0") as run:
            await run("no such program")

    with pytest.raises(Exception, match="KeyError"):
        anyio.run(run_unknown_program)
