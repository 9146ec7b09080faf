"""How memory for clients that do not read is judged: by samples that no server made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spec.common.backlog_memory import BOUND, GROWING, MIB, OFFERED_AT_MOST, RUNAWAY, BacklogMemory


def grown(size: Callable[[int], float], taken: int = OFFERED_AT_MOST) -> BacklogMemory:
    """Return the memory of a server that has grown by so much after so many bytes, two MiB at a time."""
    memory = BacklogMemory(0, BOUND + MIB)
    memory.samples += [(count, int(size(count))) for count in range(2 * MIB, taken + 1, 2 * MIB)]
    return memory


@pytest.mark.parametrize("share", [GROWING + 0.01, 0.5, 0.8])
def test_a_share_that_is_kept_goes_on(share: float) -> None:
    assert grown(lambda taken: share * taken).goes_on()


@pytest.mark.parametrize("heap", [100 * MIB, 200 * MIB, 300 * MIB, 400 * MIB, BOUND + RUNAWAY])
@pytest.mark.parametrize("each", [1.0, 3.0])
def test_a_heap_that_is_full_does_not_go_on(heap: int, each: float) -> None:
    memory = grown(lambda taken: min(each * taken, heap))
    assert memory.most > memory.bound
    assert not memory.goes_on() and not memory.runs_away()


def test_what_keeps_everything_runs_away_before_the_offers_end() -> None:
    assert grown(float).runs_away()


def test_below_the_bound_nothing_goes_on() -> None:
    assert not grown(lambda taken: taken, BOUND).goes_on()


def test_without_a_sample_nothing_goes_on() -> None:
    assert not BacklogMemory(0, BOUND).goes_on()
