"""The statistics of the league against small known truths; benchmarks/league_statistics.py has large simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.blocks import Entry
from harness.league.comparisons import Comparisons, compare, is_look, looks, tiers, undecided
from harness.league.inference import Differences, differences, fewest_blocks, rank_intervals

ENTRIES = [Entry(name) for name in "abcd"]
LEVELS = np.array([0.0, 0.5, 0.5, 1.0])


def league(blocks: int = 8, noise: float = 0.01, seed: int = 1) -> Comparisons:
    """Return the comparisons of four servers, the middle two of which are equal, under shifts of whole blocks."""
    return compare(scores(blocks, noise, seed), ENTRIES, seed=seed)


def scores(blocks: int, noise: float, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    chance = np.random.default_rng(seed)
    return LEVELS + noise * chance.normal(size=(blocks, 4)) + 10 * chance.normal(size=(blocks, 1))


def better(*pairs: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    matrix = np.zeros((4, 4), np.bool_)
    for pair in pairs:
        matrix["abcd".index(pair[0]), "abcd".index(pair[1])] = True
    return matrix


def test_different_servers_differ_significantly_and_equal_ones_do_not() -> None:
    comparisons = league()
    assert (comparisons.better == better("ba", "ca", "da", "db", "dc")).all()
    assert rank_intervals(comparisons.better, range(4)) == [(4, 4), (2, 3), (2, 3), (1, 1)]
    assert comparisons.order(range(4))[0] == 3
    assert comparisons.order(range(4))[-1] == 0
    assert comparisons.low[3, 0] < 1 < comparisons.high[3, 0]
    assert comparisons.low[0, 3] == -comparisons.high[3, 0]


def test_the_noise_of_blocks_cancels() -> None:
    assert league().mean[1, 0] == pytest.approx(0.5, abs=0.02)


def test_with_fewer_blocks_than_the_error_needs_no_server_is_better() -> None:
    assert fewest_blocks() == 6
    assert not league(blocks=5, noise=1e-6).better.any()
    assert np.isnan(league(blocks=5).low).all()
    assert league(blocks=6, noise=1e-6).better.any()


@pytest.mark.parametrize("seed", range(100))
def test_the_error_is_exact_where_all_are_equal(seed: int) -> None:
    """Of the 2^n patterns of signs of the noise of equal servers, at most 1 in 32 is significant."""
    noise = np.random.default_rng(seed).standard_t(3, (6, 3))
    of = np.stack([noise[:, 0] - noise[:, 1], noise[:, 0] - noise[:, 2], noise[:, 1] - noise[:, 2]], axis=1)
    signs = 1.0 - 2.0 * (np.arange(64)[:, None] >> np.arange(6) & 1)
    assert sum(bool(differences(of * some[:, None]).significant.any()) for some in signs) <= 2


def test_the_interval_agrees_with_the_test() -> None:
    for seed in range(50):
        chance = np.random.default_rng(seed)
        found = differences(chance.standard_t(3, (8, 6)) + chance.integers(0, 4, 6))
        assert ((found.low > 1e-9) | (found.high < -1e-9)).tolist() == found.significant.tolist()


def test_a_missing_trial_costs_only_its_own_pairs_a_block() -> None:
    of = np.random.default_rng(1).normal(size=(9, 3))
    of[4, 1] = np.nan
    found = differences(of)
    assert found.blocks.tolist() == [9, 8, 9]
    assert found.mean[1] == pytest.approx(np.delete(of[:, 1], 4).mean())
    assert not np.isnan(found.low).any()


def test_a_comparison_with_too_few_blocks_does_not_widen_the_others() -> None:
    of = np.random.default_rng(1).normal(size=(9, 3)) + np.array([9, 9, 0])
    alone = differences(of[:, :2])
    of[1:, 2] = np.nan
    found = differences(of)
    assert found.low[:2].tolist() == alone.low.tolist()
    assert math.isnan(found.low[2]) and not found.significant[2]


def test_equal_weights_change_nothing() -> None:
    of = np.random.default_rng(1).normal(size=(9, 3))
    of[4, 1] = np.nan
    plain, weighted = differences(of), differences(of, weights=np.full((9, 1), 7.0))
    for name in ("mean", "low", "high"):
        assert getattr(weighted, name) == pytest.approx(getattr(plain, name))


def test_a_block_counts_by_its_weight() -> None:
    of = np.random.default_rng(1).normal(size=(9, 3))
    weights = np.array([1.0] * 6 + [3.0] * 3)[:, None]
    found = differences(of, weights=weights)
    assert found.mean == pytest.approx(np.average(of, axis=0, weights=weights[:, 0]))
    assert differences(of * 9, weights=weights).low == pytest.approx(9 * found.low)


def test_blocks_of_little_weight_hardly_widen_an_interval_however_noisy_they_are() -> None:
    chance = np.random.default_rng(1)
    of = chance.normal(size=(16, 1)) * np.repeat([10.0, 1.0], 8)[:, None]
    plain, weighted = (differences(of, weights=weights) for weights in (None, np.repeat([0.01, 1.0], 8)[:, None]))
    assert weighted.high[0] - weighted.low[0] < (plain.high[0] - plain.low[0]) / 3


@pytest.mark.parametrize("seed", range(100))
def test_the_error_is_exact_with_weights_too(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_t(3, (6, 3))
    of = np.stack([noise[:, 0] - noise[:, 1], noise[:, 0] - noise[:, 2], noise[:, 1] - noise[:, 2]], axis=1)
    weights = np.array([1, 1, 1, 3, 3, 6.0])[:, None]
    signs = 1.0 - 2.0 * (np.arange(64)[:, None] >> np.arange(6) & 1)
    assert sum(bool(differences(of * some[:, None], weights=weights).significant.any()) for some in signs) <= 2


def test_unequal_weights_do_not_make_noise_of_differences() -> None:
    """How much servers differ must not widen the intervals, which are about the noise alone."""
    chance = np.random.default_rng(1)
    sizes, weights = np.repeat([0.02, 0.5], [54, 6]), np.repeat([1.0, 6.0], [8, 32])[:, None]
    noise = sizes * chance.normal(size=(40, 60))
    equal, different = (differences(noise + level, weights=weights) for level in (0, np.linspace(1, 4, 60)))
    assert np.median(different.high - different.low) < 1.2 * np.median(equal.high - equal.low)


def test_no_values_and_no_noise() -> None:
    assert differences(np.empty((0, 0))).significant.tolist() == []
    same: Differences = differences(np.tile([0.0, 0.2], (8, 1)))
    assert same.significant.tolist() == [False, True]
    assert np.array([same.low, same.high]) == pytest.approx(np.tile(same.mean, (2, 1)))


@pytest.mark.parametrize("blocks", [8, 14])
def test_the_same_seed_gives_the_same_intervals(blocks: int) -> None:
    assert (league(blocks).low[0, 1], league(blocks).high[0, 1]) == (
        league(blocks).low[0, 1],
        league(blocks).high[0, 1],
    )


def test_the_looks_are_at_doubled_numbers_of_blocks() -> None:
    assert [blocks for blocks in range(70) if is_look(blocks)] == [8, 16, 32, 64]


def test_a_server_that_does_not_count_takes_no_rank() -> None:
    assert rank_intervals(better("ab", "ac", "ad", "bd"), [0, 2, 3]) == [(1, 1), (2, 3), (2, 3)]


def test_tiers_are_those_that_do_not_differ_from_the_best_of_the_rest() -> None:
    assert tiers(league(), range(4)) == {3: "A", 2: "B", 1: "B", 0: "C"}
    assert tiers(league(noise=9.0), range(4)) == dict.fromkeys(range(4), "A")
    assert tiers(league(), [0, 1]) == {1: "A", 0: "B"}


def test_the_last_look_spends_what_the_others_leave() -> None:
    assert looks(6) == [(6, 0.05)]
    assert looks(8) == [(8, 0.05)]
    assert looks(9) == [(8, 0.0125), (9, pytest.approx(0.0375))]
    assert looks(40) == [(8, 0.0125), (16, 0.00625), (32, 0.003125), (40, pytest.approx(0.028125))]
    assert sum(error for _, error in looks(5000)) == pytest.approx(0.05)


def test_a_look_at_a_run_that_goes_on_spends_no_more_than_it_may() -> None:
    assert looks(8, is_over=False) == [(8, 0.0125)]
    assert looks(16, is_over=False) == [(8, 0.0125), (16, 0.00625)]
    assert fewest_blocks(looks(8, is_over=False)[0][1]) <= 8


def test_a_difference_found_at_one_look_stands() -> None:
    """Two servers that only the first blocks have differ by these, however many blocks the others add."""
    of = scores(200, 0.01, 1)
    of[8:, [0, 3]] = np.nan
    assert compare(of, ENTRIES, seed=1).better[3, 0]


def test_a_difference_that_all_blocks_together_contradict_does_not_stand() -> None:
    values = scores(40, 0.01, 1)
    values[:8, 0] += 0.7  # so that the first server is better than the two in the middle at the first look
    assert compare(values[:8], ENTRIES, seed=1, is_over=False).better[0, 1]
    comparisons = compare(values, ENTRIES, seed=1)
    assert comparisons.mean[0, 1] < 0
    assert not comparisons.better[0, 1]


def test_blocks_are_added_for_neighbours_that_do_not_differ() -> None:
    assert undecided(league(noise=0.1)) == {1, 2}
    assert undecided(league(noise=0.0001)) == set(), "equivalent servers are decided"
    assert undecided(league(noise=9.0)) == {0, 1, 2, 3}
