"""Blocks of slices while the machine disturbs them: no server is blamed for what stood still or ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from harness.blocks import BlockResult, Entry, SlicePlan
from harness.commands import measure as measure_module
from harness.commands.measure import measure
from harness.commands.measuring import Clock, new_run
from harness.league import block as block_module
from harness.league import live
from harness.league.block import ATTEMPTS, Block
from harness.league.inference import fewest_blocks
from harness.league.messages import BlockRequest
from harness.league.report_card import leagues
from harness.league.slice_scores import is_disturbed
from harness.league.trial import Cores
from harness.model import Verdict
from harness.results import read
from tests.simulated_runs import server, slice_of
from tests.test_schedule import result_of
from tests.zoo import CONFORMING, MISFITS, MUTANTS, implementation

STILL, FEW = "everything here stood still for 45 s", "only 9 tasks are allowed here, and no more could be started"


class Watch:
    """Stands for a `MachineWatch` of a machine that stood still for some time, or had too little of something.

    Args:
        still_s: for how long.
        ran_out: what it says about any failure.
        throttled_s: for how long a quota stopped the processes.
    """

    def __init__(self, still_s: float = 0.0, ran_out: str = "", throttled_s: float = 0.0) -> None:
        self._still_s, self._ran_out, self._throttled_s = still_s, ran_out, throttled_s

    def ran_out(self, failure: str) -> str:
        return self._ran_out

    def throttled_s(self) -> float:
        return self._throttled_s

    def standstill_s(self, elsewhere_s: float) -> float:
        return self._still_s or elsewhere_s

    def stood_still(self, elsewhere_s: float = 0.0) -> str:
        return STILL if self._still_s else ""


async def run(
    monkeypatch: pytest.MonkeyPatch,
    some: Sequence[Path],
    watches: Callable[[int], Watch],
    *,
    load_cores: Sequence[int] = (),
    rounds: int = 2,
) -> tuple[BlockResult, int]:
    """Run a block of some servers; return its result, and how many watches it has used.

    Args:
        monkeypatch: for the watches.
        some: the servers.
        watches: returns the watch of this number; there is one for each start of a server, and one for each request.
        load_cores: those of the load: it has a process for each.
        rounds: of the block.
    """
    made: list[Watch] = []

    def new_watch() -> Watch:
        made.append(watches(len(made)))
        return made[-1]

    monkeypatch.setattr(block_module, "MachineWatch", new_watch)
    monkeypatch.setattr(block_module, "MOST_WARM_UP", block_module.LEAST_WARM_UP)  # not as many as it needs
    request = BlockRequest(
        number=0,
        spec="broadcast",
        entries=tuple(Entry(each.stem) for each in some),
        implementations=tuple(map(implementation, some)),
        plan=(SlicePlan("few", 0.02), SlicePlan("single", 0.02)),
        rounds=rounds,
        clients=12,
    )
    return await Block(request, Cores((), tuple(load_cores))).run(), len(made)


async def test_a_slice_in_which_everything_stood_still_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start, connection of the clients and three slices of warm-up have five watches, the first slice the sixth."""
    result, used = await run(monkeypatch, [CONFORMING], lambda number: Watch(45.0 * (number == 5)))
    assert (result.failed, result.disturbed) == ({}, {})
    assert [(each.round, each.kind) for each in result.slices] == [
        (place, kind) for place in (0, 1) for kind in ("few", "single")
    ]
    assert used == 5 + 4 + 1 + 1, "start, connections, warm-up, slices, the first of them again, the end"


async def test_a_slice_that_always_stands_still_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    result, used = await run(monkeypatch, [CONFORMING], lambda number: Watch(45.0 * (number >= 5)), rounds=1)
    assert (result.failed, result.disturbed, result.slices) == ({}, {}, ())
    assert used == 5 + 2 * ATTEMPTS + 1


@pytest.mark.parametrize("name", ["never_ready", "dies_in_the_middle"])
@pytest.mark.parametrize(
    ("watch", "failed", "disturbed"), [(Watch(45), "", STILL), (Watch(ran_out=FEW), FEW, FEW), (Watch(), "server", "")]
)
async def test_a_failure_that_the_machine_may_have_caused_is_told_as_that(
    name: str, watch: Watch, failed: str, disturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = await run(monkeypatch, [MISFITS / f"{name}.py"], lambda _: watch)
    assert failed in result.failed.get("0", "")
    assert bool(result.failed) == bool(failed)
    assert result.disturbed.get("0", "") == disturbed
    assert result.slices_of(Entry(name)) == []


async def test_a_quota_that_stops_a_slice_disturbs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = await run(monkeypatch, [CONFORMING], lambda number: Watch(throttled_s=100.0 * (number == 6)))
    assert [each.figures["throttled_share"] > 0 for each in result.slices] == [False, True, False, False]
    assert is_disturbed(slice_of(0, "few", result.slices[1].figures | {"generator_wait_share": 0.0}))
    assert not is_disturbed(slice_of(0, "few", {"throttled_share": 0.01}))


@pytest.mark.parametrize("mutant", ["receivers_disagree", "rare_duplicates"])
async def test_what_one_of_several_processes_has_found_ends_the_load_of_one_server_only(
    mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [MUTANTS / "broken" / f"{mutant}.py", CONFORMING]
    result, _ = await run(monkeypatch, some, lambda _: Watch(), load_cores=(0, 0, 0), rounds=6)
    assert list(result.failed) == ["0"]
    assert len(result.slices_of(Entry(CONFORMING.stem))) == 12


# --- what the commands make of it


def pretend(monkeypatch: pytest.MonkeyPatch, module: object, **changes: dict[str, str]) -> list[BlockRequest]:
    """Let all blocks be simulated, with these changes of their results; return the requests for them."""
    made: list[BlockRequest] = []

    async def simulate(
        requests: Iterable[BlockRequest],
        starting: Callable[[BlockRequest], None],
        ended: Callable[[BlockResult], None],
    ) -> None:
        for request in requests:
            made.append(request)
            names = {entry.name: str(number) for number, entry in reversed(list(enumerate(request.entries)))}
            texts = {
                key: {names[name]: text for name, text in by_name.items() if name in names}
                for key, by_name in changes.items()
            }
            ended(msgspec.structs.replace(result_of(request), **texts))

    monkeypatch.setattr(module, "run_blocks", simulate)
    return made


ZOO = [server(name) for name in ("ant", "bee", "cow")]


@pytest.mark.parametrize(
    ("changes", "verdict", "note"),
    [
        ({"disturbed": {"bee": STILL}}, Verdict.UNKNOWN, f"not measured: {STILL}"),
        ({"disturbed": {"bee": FEW}, "failed": {"bee": FEW}}, Verdict.UNKNOWN, f"did not finish: {FEW}"),
        ({"failed": {"bee": "it died"}}, Verdict.FAIL, "did not finish: it died"),
        ({"disturbed": {"bee": STILL}, "failed": {"cow": "it died"}}, Verdict.FAIL, f"not measured: {STILL}"),
    ],
)
async def test_a_server_is_not_blamed_for_what_the_machine_did(
    changes: dict[str, dict[str, str]],
    verdict: Verdict,
    note: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pretend(monkeypatch, measure_module, **changes)
    store, nothing = new_run(ZOO, "quick")
    assert await measure(store, ZOO, nothing, Clock(0)) is verdict
    (league,) = leagues(read(store.path))
    assert [row.note for row in league.rows if row.implementation.name == "bee"] == [note]


def test_a_block_keeps_who_was_disturbed_when_another_server_is_set_aside() -> None:
    block = BlockResult(
        number=0,
        spec="broadcast",
        entries=(Entry("ant"), Entry("bee")),
        slices=(slice_of(0, "few", {}), slice_of(1, "few", {})),
        failed={},
        seconds=1,
        disturbed={"1": STILL},
    )
    assert block.without(["ant"]).disturbed == {"0": STILL}
    assert block.slices_of(Entry("ant")) and not block.slices_of(Entry("bee"))


async def compare(monkeypatch: pytest.MonkeyPatch, disturbed: Callable[[int], bool], seconds: float) -> int:
    """Compare two servers in blocks that are never made; return how many there were."""
    done: list[BlockResult] = []

    async def simulate(
        requests: Iterable[BlockRequest],
        starting: Callable[[BlockRequest], None],
        ended: Callable[[BlockResult], None],
    ) -> None:
        for request in requests:
            reasons = {"0": STILL} if disturbed(request.number) else {}
            ended(msgspec.structs.replace(result_of(request), disturbed=reasons))

    monkeypatch.setattr(live, "run_blocks", simulate)
    pair, names = (ZOO[0], ZOO[1]), ("ant", "bee")
    return len(await live.load_in_turns(pair, names, seconds, seed=1, ended=done.append))


async def test_a_comparison_does_without_the_blocks_that_were_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await compare(monkeypatch, lambda number: number in (1, 4), 0) == fewest_blocks() + 2
    assert await compare(monkeypatch, lambda number: number > 1, 0) == 2 + live.ATTEMPTS


async def test_the_time_of_a_comparison_is_that_in_which_nothing_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = fewest_blocks() + 5
    clock = iter([0.0, *range(blocks)])
    monkeypatch.setattr(live, "active_s", lambda: next(clock))
    assert await compare(monkeypatch, lambda _: False, blocks - 1 - fewest_blocks()) == blocks - 1
