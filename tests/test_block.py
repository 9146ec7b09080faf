"""Blocks of slices: servers side by side, loaded in turns, everything verified, and what happens when one fails."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.league import live
from harness.league.block import Block
from harness.league.messages import BlockRequest, BlockResult, SliceResult
from harness.league.slice_scores import log_percentile, mean_logarithm, scores
from harness.league.trial import Cores
from harness.load import latency
from harness.model import Implementation
from tests.test_survivors import nothing_left, processes_below, wait_for
from tests.zoo import CONFORMING, MISFITS, MUTANTS, command, implementation

SHORT = {"few": 0.02, "all": 0.02, "single": 0.02, "paced": 0.05}


async def run(servers: Sequence[Path], *, rounds: int = 2, **rest: int) -> BlockResult:
    request = BlockRequest(
        number=0,
        implementations=tuple(map(implementation, servers)),
        slice_s=SHORT,
        rounds=rounds,
        clients=12,
        **rest,
    )
    return await Block(request, Cores()).run()


async def test_each_server_gets_a_slice_of_each_kind_in_each_round() -> None:
    result = await run([CONFORMING, CONFORMING, MUTANTS / "conforming" / "drops_half.py"], idle_clients=30)
    assert result.failed == {}
    for place in range(2):
        for kind in SHORT:
            order = [each.entry for each in result.slices if (each.round, each.kind) == (place, kind)]
            assert sorted(order) == [0, 1, 2]
    orders = [[each.entry for each in result.slices if (each.round, each.kind) == (place, "few")] for place in (0, 1)]
    assert orders[0] == orders[1][::-1]
    floods = [each for each in result.slices if each.kind in ("few", "all", "single")]
    assert all(each.figures["deliveries_per_s"] > 0 for each in floods)
    idle = [each for each in result.slices if each.kind == "idle"]
    assert all(each.figures["rss_idle_bytes"] > 0 for each in idle)
    assert len(idle) == 3


async def test_latencies_are_timed_and_what_never_came_is_counted() -> None:
    result = await run([CONFORMING, MUTANTS / "conforming" / "drops_half.py"])
    paced = {entry: [each for each in result.slices if (each.kind, each.entry) == ("paced", entry)] for entry in (0, 1)}
    assert sum(each.figures["missing"] for each in paced[0]) == 0
    assert sum(each.figures["missing"] for each in paced[1]) > 0
    assert log_percentile("paced", 99)(paced[0]) < log_percentile("paced", 99)(paced[1])


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (MISFITS / "never_ready.py", "printed no ready line"),
        (MISFITS / "dies_in_the_middle.py", "exited with status 9 in the middle of the block; its last words: "),
        (MUTANTS / "broken" / "receivers_disagree.py", "disagreement: "),
        (MUTANTS / "broken" / "rare_duplicates.py", "duplicated: "),
    ],
    ids=lambda value: getattr(value, "stem", ""),
)
async def test_a_server_that_fails_is_out_and_the_others_go_on(server: Path, reason: str) -> None:
    result = await run([CONFORMING, server], rounds=6)
    assert reason in result.failed["1"]
    assert len([each for each in result.slices if each.entry == 0]) == 6 * len(SHORT)


def test_no_process_survives_a_block_that_is_killed(tmp_path: Path) -> None:
    words = command("compare", "--live", "selectors", "threads", "--spec", "broadcast", "--for", "60s")
    compare = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: any(is_stopped(pid) for pid in processes_below()), 60)
    finally:
        os.kill(compare.pid, signal.SIGKILL)
        compare.wait()
    assert wait_for(lambda: nothing_left(compare), 30), processes_below()


def is_stopped(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


# --- scores


def slice_of(entry: int, kind: str, value: float, *, wait: float = 0.0) -> SliceResult:
    figures = {"deliveries_per_s": value, "generator_wait_share": wait}
    return SliceResult(round=0, entry=entry, kind=kind, at_s=0, figures=figures)


def test_a_score_is_the_mean_over_the_undisturbed_slices() -> None:
    slices = (slice_of(0, "few", 100), slice_of(0, "few", 400), slice_of(0, "few", 7, wait=0.5), slice_of(0, "all", 3))
    blocks = [BlockResult(number=0, slices=slices, failed={"1": "died"}, seconds=1)]
    table = scores(blocks, 2, mean_logarithm("few", "deliveries_per_s"))
    assert table[0, 0] == pytest.approx(math.log(200))
    assert math.isnan(table[0, 1])


def test_a_kind_of_which_most_slices_are_disturbed_keeps_them_all() -> None:
    slices = (slice_of(0, "few", 100), slice_of(0, "all", 3, wait=0.5), slice_of(0, "single", 7))
    blocks = [BlockResult(number=0, slices=slices, failed={}, seconds=1)]
    assert scores(blocks, 1, mean_logarithm("all", "deliveries_per_s"))[0, 0] == pytest.approx(math.log(3))


def test_a_message_that_never_came_is_later_than_any_other() -> None:
    histogram = latency.encode(latency.histogram_of(np.full(98, 1_000_000)))
    figures = {"missing": 2.0, "sent": 100.0}
    lossy = SliceResult(round=0, entry=0, kind="paced", at_s=0, figures=figures, histogram=histogram)
    assert math.exp(log_percentile("paced", 50)([lossy])) == pytest.approx(1_000_000, rel=0.01)
    assert math.exp(log_percentile("paced", 99)([lossy])) >= latency.HIGHEST_NS


async def test_a_live_comparison_measures_both_servers() -> None:
    late = Implementation(name="late", spec="broadcast", run=(str(MUTANTS / "conforming" / "late.py"),))
    blocks = await live.run_blocks((implementation(CONFORMING), late), 0.0, seed=1, ended=lambda result: None, rounds=1)
    assert [block.failed for block in blocks] == [{}] * len(blocks)
    changes = live.changes(blocks, ("fast", "late"), "broadcast", 1)
    (change,) = [change for change in changes if change.workload == "throughput, one in flight"]
    assert change.blocks == len(blocks)
    assert change.mean < 0  # a message takes 150 ms longer, and there is one at a time


def test_a_difference_of_a_factor_is_found_and_none_where_there_is_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, (8, 2))
    blocks = [
        BlockResult(
            number=number,
            slices=tuple(
                slice_of(entry, kind, value * math.exp(noise[number, entry]))
                for entry in (0, 1)
                for kind, value in (("few", 1e6 / (1 + entry)), ("all", 1e6))
            ),
            failed={},
            seconds=1,
        )
        for number in range(8)
    ]
    found = {change.workload: change.is_significant for change in live.changes(blocks, ("a", "b"), "broadcast", 1)}
    assert found == {"throughput, few senders": True, "throughput, all send": False}
