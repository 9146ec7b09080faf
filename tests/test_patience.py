"""How long a barrier waits: while there is progress, without what a busy machine takes, and not for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.conformance.api import barrier
from harness.conformance.api.barrier import LIMIT_S, PATIENCE_S, TOO_BUSY_S, Patience
from harness.errors import Inconclusive

STEP_S = 0.5


class Machine:
    """A clock that a test moves, and the share of the time that is lost."""

    def __init__(self, share: float) -> None:
        self.now_s, self.lost_s, self.share = 0.0, 0.0, share

    def waits(
        self, patience: Patience, progress: Callable[[float], int], waiting: Callable[[float], int] = lambda now_s: 1
    ) -> float:
        """Return how long it is waited, in s."""
        while not patience.ends(waiting(self.now_s), progress(self.now_s)):
            self.now_s += STEP_S
            self.lost_s += STEP_S * self.share
        return self.now_s


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Machine, Patience]]:
    def start(share: float) -> tuple[Machine, Patience]:
        made = Machine(share)

        class Lost:
            def __init__(self, pid: int, *, includes_ours: bool) -> None:
                self.before = made.lost_s

            def since_last_call_s(self, elapsed_s: float) -> float:
                before, self.before = self.before, made.lost_s
                lost_s = min(made.lost_s - before, elapsed_s)
                return lost_s if lost_s >= 0.1 else 0.0

        monkeypatch.setattr(barrier, "LostTime", Lost)
        return made, Patience(1, lambda: made.now_s)

    return start


def test_a_silent_server_has_twenty_seconds(machine: Callable[[float], tuple[Machine, Patience]]) -> None:
    idle, patience = machine(0)
    assert idle.waits(patience, lambda now_s: 0) == PATIENCE_S + STEP_S


def test_progress_extends_it_but_not_for_ever(machine: Callable[[float], tuple[Machine, Patience]]) -> None:
    idle, patience = machine(0)
    assert idle.waits(patience, lambda now_s: int(now_s)) == LIMIT_S + STEP_S
    assert patience.elapsed_s == LIMIT_S + STEP_S


def test_each_further_receiver_extends_the_limit(machine: Callable[[float], tuple[Machine, Patience]]) -> None:
    idle, patience = machine(0)
    served = idle.waits(patience, int, lambda now_s: max(1, 1000 - int(now_s * 10)))  # a tenth of a second for each
    assert served == pytest.approx(100 + LIMIT_S, abs=2 * STEP_S)


@pytest.mark.parametrize("progress", [lambda now_s: 0, int], ids=["silent", "progress"])
def test_what_a_busy_machine_takes_does_not_count(
    machine: Callable[[float], tuple[Machine, Patience]], progress: Callable[[float], int]
) -> None:
    quiet, patience = machine(0)
    without = quiet.waits(patience, progress)
    busy, patience = machine(0.5)
    assert busy.waits(patience, progress) == pytest.approx(2 * without, abs=4 * STEP_S)
    assert patience.elapsed_s == pytest.approx(without, abs=4 * STEP_S)


def test_on_a_machine_that_takes_nearly_all_nothing_is_decided(
    machine: Callable[[float], tuple[Machine, Patience]],
) -> None:
    busy, patience = machine(0.95)
    with pytest.raises(Inconclusive, match="too busy"):
        busy.waits(patience, int)
    assert busy.now_s >= TOO_BUSY_S
