"""What distributing costs: blocks through a cluster of one machine against blocks run directly, and leagues of both.

    python -m benchmarks.cluster_overhead                          thirty pairs of blocks of six servers: ten minutes
    python -m benchmarks.cluster_overhead --quick                  two short pairs: only shows that it works
    python -m benchmarks.cluster_overhead --league                 a league over four namespaces against one over one
    python -m benchmarks.cluster_overhead --league --within 10m    for so long each

A pair is the same block twice, directly after each other in random order: once by the worker process of a run on this
machine, once as a task of a cluster `local:1`. Blocks are short, because the speed of a machine changes in between.
*deliveries* is the ratio of geometric means over a block's servers and slices with few senders; the bound: at least
0.95. *time* is how much longer the client waits for a block. That is assumed not to depend on the length of the block;
those of a league take 20 to 70 s, and the bound is 5 % of a minute. The intervals are simultaneous, 95 %, over the
pairs (at least six).

`--league` makes four hosts of network namespaces on this machine, as tests/test_cluster.py does, and needs the right to
(root). Their workers disturb each other, because they share its cores: that widens intervals, and must reverse no pair.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np

from benchmarks.resolution import agreement, order, resolution
from harness import plugins, results
from harness.blocks import BlockResult
from harness.cluster.cluster import Cluster, open_cluster
from harness.league.inference import differences
from harness.league.measures import THROUGHPUT, floods
from harness.league.messages import BlockRequest
from harness.league.profiles import PROFILES
from harness.league.report_card import leagues
from harness.league.run_blocks import COMMAND
from harness.league.schedule import Design, Schedule
from harness.model import Implementation
from harness.processes.workers import Worker, open_worker
from harness.records import from_json, to_json
from harness.zoo.discover import why_unavailable

SPEC = "broadcast"
SERVERS = ("asyncio", "threads", "selectors", "generators", "trio", "uvloop")
MORE = ("asyncio_plain", "asyncio_protocols", "epoll", "threads_plain")  # in the leagues
BLOCK_S = 600.0
BOUND, LEAGUE_BLOCK_S = 0.05, 60.0
Runner = Callable[[BlockRequest], Awaitable[BlockResult]]
TIME, DELIVERIES = "time", "deliveries"


def servers() -> list[Implementation]:
    """Return the servers that are measured."""
    known = {each.name: each for each in plugins.implementations() if each.spec == SPEC and not why_unavailable(each)}
    return [known[name] for name in SERVERS if name in known]


def request(number: int, rounds: int) -> BlockRequest:
    """Return a block of all servers, with the three floods."""
    profile = PROFILES["quick"]
    profile = replace(profile, slices=floods(profile.slices), rounds=rounds, idle_clients=0)
    design = Design(servers=servers(), controls={}, baselines={}, profile=profile, seed=number, at_once=100)
    block = Schedule(design, []).next_block(math.inf, is_extended=True)
    assert block
    return block


def direct(worker: Worker) -> Runner:
    """Return what runs a block in a worker process of this machine."""

    async def run(block: BlockRequest) -> BlockResult:
        return from_json(await worker.request(to_json(block), BLOCK_S), BlockResult)

    return run


def through(cluster: Cluster) -> Runner:
    """Return what runs a block as a task of a cluster."""

    async def run(block: BlockRequest) -> BlockResult:
        ended: list[BlockResult] = []
        await cluster.run_blocks([block], lambda _: None, ended.append)
        return ended[0]

    return run


async def measure(run: Runner, block: BlockRequest) -> dict[str, float]:
    """Return how long a block takes, in s, and the logarithm of its deliveries per second."""
    begun = time.monotonic()
    result = await run(block)
    took_s = time.monotonic() - begun
    if result.failed:
        raise SystemExit(f"a server failed: {result.failed}")
    rates = [each.figures[THROUGHPUT] for each in result.slices if each.kind == "few"]
    return {TIME: took_s, DELIVERIES: statistics.mean(map(math.log, rates))}


async def compare(pairs: int, rounds: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the differences, cluster minus direct: pairs × (s, logarithm of deliveries per second).

    Args:
        pairs: how many pairs of blocks.
        rounds: of each block.
        seed: of the order within a pair.
    """
    chance, found = random.Random(seed), []
    async with open_worker(COMMAND) as worker, open_cluster("local:1", servers()) as cluster:
        runners = {"direct": direct(worker), "cluster": through(cluster)}
        for run in runners.values():  # the first block of each starts more than the next ones
            await run(request(0, 1))
        for number in range(pairs):
            names = chance.sample(list(runners), len(runners))
            figures = {name: await measure(runners[name], request(number + 1, rounds)) for name in names}
            row = [figures["cluster"][name] - figures["direct"][name] for name in (TIME, DELIVERIES)]
            print(f"pair {number + 1}: {row[0]:+.2f} s, {math.exp(row[1]):.3f}", file=sys.stderr, flush=True)
            found.append(row)
    return np.array(found)


def print_overhead(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> int:
    """Print what distributing costs, with intervals, and whether the bounds hold; return 1 where one is missed, else 0.

    Args:
        values: the differences, pairs × (s, logarithm of deliveries per second).
    """
    found, most_s = differences(values, groups=np.arange(2)), BOUND * LEAGUE_BLOCK_S  # of two units
    (low_s, low), (high_s, high) = found.low, found.high
    if math.isnan(low):
        print(f"too few pairs for an interval: {len(values)}")
        return 0
    print("| what distributing costs | with its interval | bound | |\n|---|--:|--:|---|")
    time_is = _verdict(high_s <= most_s, low_s > most_s)
    print(f"| time of a block | {found.mean[0]:+.2f} s [{low_s:+.2f}, {high_s:+.2f}] | {most_s:+.0f} s | {time_is} |")
    low, mean, high = (math.exp(each) for each in (low, found.mean[1], high))
    ratio_is = _verdict(low >= 1 - BOUND, high < 1 - BOUND)
    print(f"| deliveries, as a ratio | {mean:.3f} [{low:.3f}, {high:.3f}] | {1 - BOUND:.2f} | {ratio_is} |")
    print(f"\n{len(values)} pairs of blocks, {len(servers())} servers.")
    return int("missed" in (time_is, ratio_is))


def _verdict(holds: bool, is_missed: bool) -> str:
    return "holds" if holds else "missed" if is_missed else "undecided"


def compare_leagues(within: str) -> int:
    """Make a league over four namespaces and one over one of them; return 1 where a pair is reversed, else 0."""
    from tests import hosts
    from tests.machines import ROOT, Machines

    os.environ["PYTHONPATH"] = str(ROOT)
    words = ["run", *[each.name for each in servers()], *MORE, "--spec", SPEC, "--smoke", "--within", within]
    runs = []
    with tempfile.TemporaryDirectory() as folder, hosts.hosts(5) as (every, switch):
        for name, more in (("four", True), ("one", False)):
            (Path(folder) / name).mkdir()
            machines = Machines(every, switch, Path(folder) / name)
            if more:
                machines.start()
            client = machines.client(*words, *(["--cluster", machines.scheduler] if more else []))
            if client.wait() not in (0, 1):  # 1: a server is out, and the others are compared
                print(machines.log("client").read_text(), file=sys.stderr)
                return 3
            path = results.find(str(machines.folder / "results" / "latest"))
            runs.append(results.read(path))
            for host in every if more else ():
                host.kill()
    found = [(run, leagues(run)[0]) for run in runs]
    print("| league over | servers | blocks | detectable | distinguished | rank interval | disturbed |")
    print("|---|---|---|---|---|---|---|")
    for name, (_, league) in zip(("four namespaces", "one"), found, strict=True):
        print(resolution(league).replace(f"| {SPEC} |", f"| {name} |", 1))
    sentence = agreement(*(order(run, league) for run, league in found))
    print(f"\n{sentence}")
    return int(not sentence.endswith("reversed: none"))


def main(arguments: Sequence[str]) -> int:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--league", action="store_true")
    parser.add_argument("--within", default="5m")
    options = parser.parse_args(arguments)
    if options.league:
        return compare_leagues(options.within)
    if options.quick:
        options.pairs, options.rounds = 2, 1
    return print_overhead(anyio.run(compare, options.pairs, options.rounds, options.seed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
