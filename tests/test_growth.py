"""Growth by regression: a leak is distinguished from memory that only grows for a while."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence

import anyio
import pytest

from harness import plugins
from harness.conformance.api.growth import Growth, is_leak, may_be_leak, theil_sen, watch_growth
from harness.conformance.pool import Watcher, open_pool
from harness.model import Case, CaseResult, Implementation, Verdict
from tests.zoo import MUTANTS, implementation

PAGE = 4096
Size = Callable[[int], float]


def test_the_slope_of_a_line_is_exact() -> None:
    slope = theil_sen(range(20), [7 + 3 * count for count in range(20)])
    assert (slope.low, slope.value, slope.high) == (3, 3, 3)
    assert str(slope) == "3.0 [3.0, 3.0]"


def test_the_limits_are_those_of_sen() -> None:
    """Of 45 slopes: 2.576 * sqrt(10 * 9 * 25 / 18) = 28.8, so the 9th from either end, counted from 1."""
    sizes = [count * count for count in range(10)]
    slopes = sorted((sizes[b] - sizes[a]) / (b - a) for a in range(10) for b in range(a + 1, 10))
    slope = theil_sen(range(10), sizes)
    assert (slope.low, slope.value, slope.high) == (slopes[8], slopes[22], slopes[45 - 8])


def test_a_few_points_give_no_limits() -> None:
    slope = theil_sen([0, 1, 2], [0, 5, 10])
    assert (slope.low, slope.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("seed", range(20))
def test_pages_noise_and_one_outlier_do_not_hide_the_slope(seed: int) -> None:
    rng = random.Random(seed)
    counts = range(0, 100_000, 2000)
    sizes = [(40 * count + rng.randrange(200_000)) // PAGE * PAGE for count in counts]
    sizes[rng.randrange(len(sizes))] += 50_000_000
    slope = theil_sen(counts, sizes)
    assert slope.low < 40 < slope.high
    assert slope.low > 36 and slope.high < 44


def watched(size: Size, *, bound: float = 16) -> Growth:
    """Watch a memory that has this size after so many actions."""
    done = 0

    async def step(before: int) -> int:
        nonlocal done
        assert before == done
        done += 1000
        return 1000

    async def watch() -> Growth:
        return await watch_growth(
            step, lambda: int(size(done)) // PAGE * PAGE, bound=bound, enough=200_000, most=1_000_000, seconds=60
        )

    return anyio.run(watch)


@pytest.mark.parametrize(("least", "count"), [(0, 11), (20, 20), (1000, 31)])
def test_a_slow_server_gets_more_time(least: int, count: int) -> None:
    done = 0

    async def step(before: int) -> int:
        nonlocal done
        done += 1
        return 1

    async def watch() -> Growth:
        return await watch_growth(
            step,
            lambda: done * PAGE,
            bound=16,
            enough=1000,
            most=1000,
            seconds=10,
            least=least,
            now_s=lambda: float(done),
        )

    assert anyio.run(watch).total_count == count


@pytest.mark.parametrize("bytes_each", [17, 40, 100, 5000])
def test_a_leak_is_watched_to_the_end(bytes_each: int) -> None:
    growth = watched(lambda count: bytes_each * count)
    assert growth.continues(16)
    assert growth.total_count == 1_000_000 or growth.total_bytes > 1e9
    assert growth.slope().value == pytest.approx(bytes_each, rel=0.01)


@pytest.mark.parametrize(
    ("size", "most"),
    [
        (lambda count: 20e6, 200_000),
        (lambda count: 15 * count, 200_000),
        (lambda count: 1e6 * math.log(count + 1), 200_000),
        (lambda count: 200 * min(count, 100_000), 250_000),
        (lambda count: 300 * min(count, 400_000), 1_000_000),
        (lambda count: 100 * count % 20e6, 1_000_000),
        (lambda count: 40 * count % 20e6, 1_000_000),
        (lambda count: 50e6 * (count > 700_000), 200_000),
        (lambda count: 17 * count if count < 600_000 else 10.2e6 + 50e6 * (count > 800_000), 1_000_000),
    ],
    ids=["flat", "below", "warm-up", "ring", "large-ring", "teeth", "long-teeth", "late-step", "one-step"],
)
def test_memory_that_grows_for_a_while_does_not_continue(size: Size, most: int) -> None:
    growth = watched(size)
    assert not growth.continues(16)
    assert growth.total_count <= most


@pytest.mark.parametrize(
    ("bytes_each", "blamed", "undecided"),
    [
        ((40,), False, True),
        ((40, 40, 40), True, False),
        ((70, 40, 40), True, False),
        ((40, 40, 0), False, False),
        ((90, 40, 40), False, True),  # the heap had holes after the first turn
        ((90, 40, 40, 40), True, False),
        ((9000, 300, 40), False, True),
        ((9000, 3000, 1000, 300, 100), False, False),
    ],
)
def test_a_leak_keeps_the_same_in_the_last_turns(bytes_each: Sequence[int], blamed: bool, undecided: bool) -> None:
    counts = list(range(0, 100_000, 1000))
    begins = itertools.accumulate((each * counts[-1] for each in bytes_each), initial=0)
    turns = [
        Growth(counts, [begin + each * count for count in counts])
        for begin, each in zip(begins, bytes_each, strict=False)
    ]
    assert is_leak(turns, 16) is blamed
    assert may_be_leak(turns, 16) is undecided


def test_what_is_given_back_between_turns_is_no_leak() -> None:
    counts = list(range(0, 100_000, 1000))
    turns = [Growth(counts, [40 * count for count in counts])] * 3
    assert not is_leak(turns, 16)
    assert not may_be_leak(turns[:2], 16)


def test_a_slope_that_did_not_settle_is_shown_as_a_word() -> None:
    counts = list(range(0, 100_000, 1000))
    assert Growth(counts, [40 * count for count in counts]).summary(16) == "40"
    assert Growth(counts, [0 for count in counts]).summary(16) == "0"
    assert Growth(counts, [40 * count % 1_000_000 for count in counts]).summary(16) == "varies"


@pytest.fixture(scope="module")
def unusual() -> Sequence[CaseResult]:
    """The results of the cases about memory on servers whose memory grows for a while."""
    servers = [
        implementation(MUTANTS / "conforming" / f"{name}.py")
        for name in ("memory_saw_tooth", "fills_a_ring_first", "frees_the_stalled_late")
    ]

    def plan(server: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
        return [[case] for case in cases if case.number in (59, 60, 80)]

    async def run() -> list[CaseResult]:
        async with open_pool(plugins.specs()["broadcast"], jobs=4) as pool:
            return await pool.check(servers, Watcher(), plan=plan)

    return anyio.run(run)


@pytest.mark.parametrize("what", ["a connection", "a message"])
def test_a_memory_that_grows_for_a_while_is_not_blamed(what: str, unusual: Sequence[CaseResult]) -> None:
    results = [result for result in unusual if f"bytes {what}" in result.facts]
    assert [result.verdict for result in results] == [Verdict.PASS] * 3, results
    assert [result.message for result in results if f"] bytes for {what}, after " not in result.message] == []


def test_what_was_kept_of_stalled_clients_may_be_freed_late(unusual: Sequence[CaseResult]) -> None:
    results = [result for result in unusual if result.id.startswith("clients_that_never_read")]
    assert [result.verdict for result in results] == [Verdict.PASS] * 3, results
