"""Loads between hosts: what a network does to the latency of each style, and as many clients as there can be.

    python -m benchmarks.cluster_loads                             20 ms and 0.1 % loss: twenty minutes
    python -m benchmarks.cluster_loads --quick asyncio selectors   only shows that it works
    python -m benchmarks.cluster_loads --crowd 19000 selectors     so many clients, from six hosts

Hosts are network namespaces on this machine, as in tests/test_cluster.py, which needs the right to make them (root). A
process of its own delays and loses their packets (tests/wire.py), because not every kernel has netem; `harness bench
--network` would do the same by netem. It needs a part of a core, which it takes from all servers alike.

The latencies are those of the workload `paced`, with 20 clients on two hosts: four of them send 500 messages a second
in all, for five seconds, and each times its own messages from when they were due until they are back. In each block,
the servers are loaded over both networks, in random order. Figures are medians over the blocks, dropped messages the
largest share of one. Ratios are to the geometric mean of all servers over the same network, with simultaneous 95 %
intervals. Trials that the harness counts as disturbed are among them, because hosts of one machine disturb each other;
their number is printed. Those in which the machine stood still have no figures.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.league.inference import differences
from harness.model import TrialResult
from harness.network import Network
from tests.machines import ROOT, Machines, open_machines, run_in

STYLES = (  # one server of each style, and the second one with threads, in Python
    "c_coroutines",
    "selectors",
    "c_libuv",
    "c_uring",
    "c_threads",
    "asyncio_plain",
    "go_tuned",
    "ocaml",
    "generators",
    "processes",
    "erlang",
    "threads",
)
NETWORKS = {"none": Network(delay_ms=0.0), "20 ms, 0.1 %": Network(delay_ms=20.0, loss_percent=0.1)}
CLIENTS, RATE_PER_S, SECONDS = 20, 500, 5
FIGURES = ("latency_p50_ns", "latency_p99_ns", "dropped_share")
BENCH_S = 1800.0  # at most, for all servers once
CROWD_HOSTS, CROWD_SECONDS = 8, 20  # a crowd has less than a message a second


def bench(cluster: Machines, *words: str) -> list[TrialResult]:
    """Load servers from the machines of a cluster; return the trials."""
    client = cluster.client(
        "bench", *words, "--spec", "broadcast", "--workload", "paced", "--cluster", cluster.scheduler
    )
    if client.wait(BENCH_S):
        print(cluster.log("client").read_text(), file=sys.stderr)
        raise SystemExit(3)
    return list(run_in(cluster.folder).trials)


def compare_networks(servers: Sequence[str], blocks: int, seconds: float, seed: int) -> None:
    """Print what each network does to the latency of each server.

    Args:
        servers: their names.
        blocks: how many.
        seconds: of each load.
        seed: of the order of the networks in each block.
    """
    chance = random.Random(seed)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        clusters = {
            name: stack.enter_context(open_machines(4, Path(stack.enter_context(TemporaryDirectory())), network))
            for name, network in NETWORKS.items()
        }
        for block in range(blocks):
            for name in chance.sample(list(clusters), len(clusters)):  # `bench` has an order of its own for the servers
                parameters = f"rate_per_s={RATE_PER_S},seconds={seconds:g}"
                words = ["--profile", "smoke", "--clients", str(CLIENTS), "--parameter", parameters]
                for trial in bench(clusters[name], *servers, *words):
                    if trial.did_not_finish:
                        raise SystemExit(f"{trial.plan.implementation}: {trial.did_not_finish}")
                    figures = {**dict.fromkeys(FIGURES, math.nan), **trial.figures, "disturbed": bool(trial.disturbed)}
                    found.setdefault((name, trial.plan.implementation), []).append(figures)
            print(f"block {block + 1} of {blocks}", file=sys.stderr, flush=True)
    for name in NETWORKS:
        print_latencies(name, {server: found[name, server] for server in servers})


def print_latencies(network: str, found: dict[str, list[dict[str, float]]]) -> None:
    """Print the latencies of the servers over a network.

    Args:
        network: its name.
        found: by server, the figures of each block.
    """
    p99 = np.log(np.array([[each["latency_p99_ns"] for each in figures] for figures in found.values()]).T)
    compared = differences(p99 - np.nanmean(p99, axis=1, keepdims=True))
    print(f"\n{network}:\n\n| server | p50 ms | p99 ms | to the mean of all | dropped |\n|---|--:|--:|---|--:|")
    for place, (server, figures) in enumerate(found.items()):
        p50 = np.nanmedian([each["latency_p50_ns"] for each in figures])
        dropped = np.nanmax([each["dropped_share"] for each in figures])
        ratio, low, high = (np.exp(each[place]) for each in (compared.mean, compared.low, compared.high))
        verdict = f"**{ratio:.2f}**" if compared.significant[place] else f"{ratio:.2f}"
        latencies = f"{p50 / 1e6:.2f} | {np.exp(np.nanmedian(p99[:, place])) / 1e6:.2f}"
        print(f"| {server} | {latencies} | {verdict} [{low:.2f}, {high:.2f}] | {dropped:.2%} |")
    disturbed = sum(each["disturbed"] for figures in found.values() for each in figures)
    still = np.isnan(p99).sum()
    print(f"\n{len(p99)} blocks; bold: differs from the mean of all.")
    print(f"Of {p99.size} trials, {disturbed} were disturbed, and in {still} the machine stood still.")


def load_with(clients: int, servers: Sequence[str]) -> None:
    """Print the figures of a load with so many clients on each server."""
    with TemporaryDirectory() as folder, open_machines(CROWD_HOSTS, Path(folder)) as cluster:
        trials = bench(cluster, *servers, "--clients", str(clients), "--parameter", f"seconds={CROWD_SECONDS}")
        print(cluster.log("client").read_text())
        for trial in trials:
            print(f"{trial.plan.implementation}: {trial.did_not_finish or 'all deliveries verified'}")
            for name, value in sorted(trial.figures.items()):
                print(f"  {name} {value:,.6g}")


def main(arguments: Sequence[str]) -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", default=list(STYLES))
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--crowd", type=int, default=0, metavar="CLIENTS")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the networks")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = str(ROOT)
    if options.crowd:
        load_with(options.crowd, options.servers)
    else:
        seconds, blocks = (0.5, 1) if options.quick else (SECONDS, options.blocks)
        compare_networks(options.servers, blocks, seconds, options.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
