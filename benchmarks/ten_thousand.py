"""Ten thousand clients on one server, and what they cost the load generator.

    python -m benchmarks.ten_thousand                         c_epoll, asyncio, go, rust; three rounds
    python -m benchmarks.ten_thousand --runs 1 --clients 1000 c_epoll
    python -m benchmarks.ten_thousand --no-lengths            without the trials of different lengths

clients: each round is a process of its own with a fresh server. It connects so many clients and waits until all have
received one message; then it sends one broadcast to all; then it makes a load of two messages a second, of which every
delivery is verified. The memory of the generator is the peak of its resident size over all of that, minus its size
before the clients connected.

lengths: the peak of the generator's resident size during a flood and during a paced load, of one length, of 4 times
that and of 16 times. It may grow with the messages in flight, and not with those that have been delivered.

Prints Markdown tables; the exit status is 1 when a bound is missed: all connected in a second, 2 KB a client, growth
of at most 10 %.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

import anyio
import psutil

from benchmarks.programs import describe_machine, server, use_server_core
from harness import plugins
from harness.addresses import Address
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.load.clients.clients import Clients
from harness.load.swarm import Swarm
from harness.model import Implementation
from harness.servers.launch import launch
from harness.servers.resources import peak_rss_bytes, raise_descriptor_limit

CLIENTS, BODY_BYTES = 10_000, 32
CONNECT_S, BYTES_A_CLIENT, GROWTH = 1.0, 2048, 1.1  # the bounds
LENGTHS, LENGTH_S = (1, 4, 16), 1.0
LOADS: Mapping[str, dict[str, float]] = {
    "flood": {"clients": 100, "senders": 4, "in_flight": 1024, "body_bytes": BODY_BYTES, "warm_up_s": 0.2},
    "paced": {"clients": 100, "senders": 4, "rate_per_s": 1000, "body_bytes": BODY_BYTES, "warm_up_s": 0.2},
}


def hold(swarm: Swarm, count: int) -> dict[str, float]:
    """Connect so many clients, send a message to all; return the times in s, and this process's memory before that."""
    swarm.clients.connect(1)
    swarm.clients.join()  # so that modules that are imported late are in memory now
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    swarm.clients.connect(count - 1)
    connected = time.monotonic()
    swarm.clients.join()
    joined = time.monotonic()
    swarm.clients.join()  # all have joined, so the first message reaches all of them
    received = time.monotonic()
    return {
        "connect_s": connected - began,
        "join_s": joined - connected,
        "broadcast_s": received - joined,
        "before_bytes": before,
    }


def hold_and_load(swarm: Swarm, count: int) -> dict[str, float]:
    """Hold so many clients and load the server; return also the peak memory of this process per client."""
    figures = hold(swarm, count)
    swarm.paced(swarm.clients.senders(1), rate_per_s=2, text_bytes=BODY_BYTES, warm_up_s=0, seconds=LENGTH_S)
    if swarm.figures["dropped_share"] > 0:
        raise HarnessError(f"{swarm.figures['dropped_share']:.2%} of the deliveries were dropped")
    return {**figures, "bytes_a_client": (peak_rss_bytes(os.getpid()) - figures["before_bytes"]) / (count - 1)}


def load(swarm: Swarm, workload: str, seconds: float) -> dict[str, float]:
    """Run a workload; return the peak memory of this process."""
    plugins.workloads()[workload].run(swarm, {**LOADS[workload], "seconds": seconds})
    return {"peak_bytes": peak_rss_bytes(os.getpid())}


def generator(core: str, address: str, pid: str, spec: str, what: str, amount: str) -> dict[str, float]:
    """Be the generator, in a process of its own.

    Args:
        core: the processor core for it, or "".
        address: of the server.
        pid: of the server.
        spec: its name.
        what: "hold", "hold_and_load", or a workload.
        amount: the number of clients, or the seconds of the workload.
    """
    if core:
        os.sched_setaffinity(0, [int(core)])
    raise_descriptor_limit()
    swarm = Swarm(Clients(Address.parse(address), plugins.specs()[spec].codec), int(pid))
    try:
        actions = {"hold": hold, "hold_and_load": hold_and_load}
        return actions[what](swarm, int(amount)) if what in actions else load(swarm, what, float(amount))
    finally:
        swarm.clients.close()


async def run_generator(implementation: Implementation, what: str, amount: float, cores: Cores) -> dict[str, float]:
    """Start a server and a generator; return the generator's figures.

    Args:
        implementation: the server.
        what: see `generator`.
        amount: see `generator`.
        cores: those of the server and of the generator.

    Raises:
        HarnessError: the generator has failed.
    """
    core = str(cores.load[0]) if cores.load else ""
    async with launch(implementation) as running:
        given = [core, str(running.address), str(running.pid), implementation.spec, what, f"{amount:g}"]
        command = [sys.executable, "-m", "benchmarks.ten_thousand", "--generator", *given]
        done = await anyio.run_process(command, check=False, stderr=None)
    if done.returncode:
        raise HarnessError(f"{implementation.name}, {what}: the generator ended with status {done.returncode}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


async def many_clients(servers: Sequence[Implementation], runs: int, count: int, cores: Cores) -> bool:
    """Print the table of servers with so many clients; return whether the bounds hold."""
    rounds: dict[str, list[dict[str, float]]] = {implementation.name: [] for implementation in servers}
    for number in range(runs):
        for implementation in servers[:: -1 if number % 2 else 1]:
            figures = await run_generator(implementation, "hold_and_load", count, cores)
            rounds[implementation.name].append(figures)
            print(f"round {number}, {implementation.name}: {figures}", file=sys.stderr)
    print(f"{count:,} clients, medians (lowest–highest) of {runs}:\n")
    print("| server | all connected, s | all joined, s | broadcast, s | generator, bytes a client |")
    print("|---|---|---|---|---|")
    holds = True
    for name, of_server in rounds.items():
        cells = []
        for figure in ("connect_s", "join_s", "broadcast_s", "bytes_a_client"):
            values = [figures[figure] for figures in of_server]
            middle = statistics.median(values)
            bound = {"connect_s": CONNECT_S, "bytes_a_client": BYTES_A_CLIENT}.get(figure)
            missed = bound is not None and middle > bound
            holds &= not missed
            digits = ".0f" if figure == "bytes_a_client" else ".3f"
            spread = f"{min(values):{digits}}–{max(values):{digits}}"
            cells.append(f"{middle:{digits}} ({spread}){' **over ' + format(bound, 'g') + '**' if missed else ''}")
        print(f"| {name} | {' | '.join(cells)} |")
    return holds


async def lengths(implementation: Implementation, cores: Cores) -> bool:
    """Print the table of lengths; return whether memory is constant."""
    print(f"\nPeak of the generator's memory, MB, over loads of different lengths on {implementation.name}:\n")
    print(f"| load | {' | '.join(f'{times * LENGTH_S:g} s' for times in LENGTHS)} | growth |")
    print(f"|---|{'---|' * (len(LENGTHS) + 1)}")
    holds = True
    for workload in LOADS:
        peaks = [
            (await run_generator(implementation, workload, times * LENGTH_S, cores))["peak_bytes"] for times in LENGTHS
        ]
        growth = peaks[-1] / peaks[0]
        holds &= growth <= GROWTH
        missed = "" if growth <= GROWTH else " **over 10 %**"
        print(f"| {workload} | {' | '.join(f'{peak / 1e6:.1f}' for peak in peaks)} | {growth - 1:+.0%}{missed} |")
    return holds


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a bound is missed, 2 when a trial did not finish."""
    if arguments[:1] == ["--generator"]:
        print(json.dumps(generator(*arguments[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", default=["c_epoll", "asyncio", "go", "rust"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--no-lengths", action="store_true")
    options = parser.parse_args(arguments)
    machine, cores = describe_machine(), use_server_core()
    try:
        servers = [server(name) for name in options.servers]
        holds = anyio.run(many_clients, servers, options.runs, options.clients, cores)
        if not options.no_lengths:
            holds &= anyio.run(lengths, servers[0], cores)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{machine}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
