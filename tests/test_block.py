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

from harness.blocks import BlockResult, Entry, Role, SlicePlan
from harness.league import live
from harness.league.block import Block
from harness.league.messages import BlockRequest
from harness.league.slice_scores import is_generator_limited, log_figure, log_percentile, scores
from harness.league.trial import Cores
from harness.load import latency
from tests.simulated_runs import block_of, slice_of
from tests.test_survivors import nothing_left, processes_below, wait_for
from tests.zoo import CONFORMING, MISFITS, MUTANTS, command, implementation

SHORT = {"few": 0.02, "all": 0.02, "single": 0.02, "paced": 0.05}
PLAN = tuple(SlicePlan(kind, seconds) for kind, seconds in SHORT.items())


async def run(
    servers: Sequence[Path], *, rounds: int = 2, idle_clients: int = 0, plan: tuple[SlicePlan, ...] = PLAN
) -> BlockResult:
    request = BlockRequest(
        number=0,
        spec="broadcast",
        entries=tuple(Entry(f"{place} {server.stem}") for place, server in enumerate(servers)),
        implementations=tuple(map(implementation, servers)),
        plan=plan,
        rounds=rounds,
        clients=12,
        idle_clients=idle_clients,
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


async def test_what_an_idle_client_sent_before_it_left_may_come_late() -> None:
    """A server may take longer for some senders: no order holds between their messages and those of others."""
    result = await run([MISFITS / "reads_some_senders_late.py"], idle_clients=30, plan=PLAN[:1])
    assert result.failed == {}


async def test_a_control_is_treated_like_its_server() -> None:
    """Also before the slices: a process that once had a thousand clients is another than one that never had them."""
    request = BlockRequest(
        number=0,
        spec="broadcast",
        entries=(Entry("server"), Entry("server", Role.CONTROL)),
        implementations=(implementation(CONFORMING),) * 2,
        plan=PLAN[:1],
        rounds=1,
        clients=12,
        idle_clients=30,
    )
    result = await Block(request, Cores()).run()
    assert sorted(each.entry for each in result.slices if each.kind == "idle") == [0, 1]


async def test_latencies_are_timed_and_what_never_came_is_counted() -> None:
    result = await run([CONFORMING, MUTANTS / "conforming" / "drops_half.py"])
    paced = {entry: [each for each in result.slices if (each.kind, each.entry) == ("paced", entry)] for entry in (0, 1)}
    # On a busy machine a few messages may come too late for their slice.
    assert sum(each.figures["missing"] for each in paced[0]) < sum(each.figures["missing"] for each in paced[1])
    p75 = log_percentile("paced", 75)(result)
    assert p75[result.entries[0]] < p75[result.entries[1]]


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

RATE = "deliveries_per_s"


def test_a_score_is_robust_and_only_of_undisturbed_slices() -> None:
    """100, 200 and 200 with a slice that lost half of its time, and one that was disturbed."""
    figures = [{RATE: rate} for rate in (200, 100, 200)] + [{RATE: 7, "generator_wait_share": 0.5}]
    slices = [slice_of(0, "few", each, place=place) for place, each in enumerate(figures)]
    slices += [slice_of(0, "all", {RATE: 3}), slice_of(1, "few", {RATE: 3})]
    entries = [Entry("ant"), Entry("bee"), Entry("cow")]
    table = scores([block_of(entries[:2], slices, failed={"1": "died"})], entries, log_figure("few", RATE))
    assert table[0, 0] == pytest.approx(math.log(200))
    assert np.isnan(table[0, 1:]).all(), "bee failed, and cow is not in the block"


def test_what_a_round_has_in_common_counts_for_nobody() -> None:
    """The machine is ten times slower in the second round; the last server lacks the first, and the slow one counts."""
    rates = {0: (100, 10, 100), 1: (200, 20, 200), 2: (300, 30, 300), 3: (None, 40, None)}
    slices = [
        slice_of(entry, "few", {RATE: rate}, place=place)
        for entry, of_entry in rates.items()
        for place, rate in enumerate(of_entry)
        if rate
    ]
    entries = [Entry(name) for name in ("ant", "bee", "cow", "dog")]
    table = scores([block_of(entries, slices)], entries, log_figure("few", RATE))
    assert np.exp(table[0, :3] - table[0, 0]) == pytest.approx([1, 2, 3])
    slices = [each for each in slices if each.entry < 3 or each.round == 1] + [slice_of(3, "few", {RATE: 400}, place=0)]
    table = scores([block_of(entries, slices)], entries, log_figure("few", RATE))
    assert np.exp(table[0] - table[0, 0]) == pytest.approx([1, 2, 3, 4])


def test_of_several_rounds_the_median_of_the_means_of_pairs_counts() -> None:
    slices = [slice_of(0, "few", {RATE: math.exp(value)}, place=place) for place, value in enumerate((1, 2, 6))]
    table = scores([block_of(["ant"], slices)], [Entry("ant")], log_figure("few", RATE))
    assert table[0, 0] == pytest.approx(2), "the speed of a single server is that of the machine: its median is left"


def test_a_kind_of_which_most_slices_are_disturbed_keeps_them_all() -> None:
    slices = [
        slice_of(0, "few", {RATE: 100}),
        slice_of(0, "all", {RATE: 3, "generator_wait_share": 0.5}),
        slice_of(0, "single", {RATE: 7}),
    ]
    table = scores([block_of(["ant"], slices)], [Entry("ant")], log_figure("all", RATE))
    assert table[0, 0] == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("load", "server", "limited"), [(0.99, 0.6, True), (0.99, 0.99, False), (0.5, 0.99, False), (0.5, 0.1, False)]
)
def test_the_load_is_the_limit_where_it_alone_is_busy(load: float, server: float, limited: bool) -> None:
    block = block_of(["ant"], [slice_of(0, "few", {"generator_cpu_share": load, "server_cpu_share": server})])
    assert is_generator_limited([block], Entry("ant"), "few") is limited
    assert not is_generator_limited([block], Entry("ant"), "all")


def test_a_message_that_never_came_is_later_than_any_other() -> None:
    histogram = latency.encode(latency.histogram_of(np.full(98, 1_000_000)))
    figures = {"missing": 2.0, "sent": 100.0}
    lossy = block_of(["ant"], [slice_of(0, "paced", figures, histogram=histogram)])
    assert math.exp(log_percentile("paced", 50)(lossy)[Entry("ant")]) == pytest.approx(1_000_000, rel=0.01)
    assert math.exp(log_percentile("paced", 99)(lossy)[Entry("ant")]) >= latency.HIGHEST_NS


async def test_a_live_comparison_measures_both_servers() -> None:
    late = implementation(MUTANTS / "conforming" / "late.py")
    servers, names = (implementation(CONFORMING), late), ("fast", "late")
    blocks = await live.load_in_turns(servers, names, 0.0, seed=1, ended=lambda result: None, rounds=1)
    assert [block.failed for block in blocks] == [{}] * len(blocks)
    (change,) = [change for change in live.changes(blocks, names, 1) if change.workload == "one in flight"]
    assert change.blocks == len(blocks)
    assert change.mean < 0  # a message takes 150 ms longer, and there is one at a time


def test_a_difference_of_a_factor_is_found_and_none_where_there_is_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, (8, 2))
    blocks = [
        block_of(
            ["a", "b"],
            [
                slice_of(entry, kind, {"deliveries_per_s": value * math.exp(noise[number, entry])})
                for entry in (0, 1)
                for kind, value in (("few", 1e6 / (1 + entry)), ("all", 1e6))
            ],
            number=number,
        )
        for number in range(8)
    ]
    found = {change.workload: change.is_significant for change in live.changes(blocks, ("a", "b"), 1)}
    assert found == {"few senders": True, "all send": False}
