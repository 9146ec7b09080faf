"""Ten thousand clients on one server, and what they cost the generator.

    python -m benchmarks.ten_thousand                         c_epoll, asyncio, go, rust; three rounds
    python -m benchmarks.ten_thousand --runs 1 --clients 1000 c_epoll
    python -m benchmarks.ten_thousand --no-lengths            without the trials of different lengths

clients: each round is a process of its own with a fresh server. It connects so many clients, lets them all hear one
message before anything is counted, and then sends one broadcast that every one of them must hear; then a load of two
messages a second, of which every delivery is verified. The memory of the generator is the peak of its resident size
over all of that, less what it was before the first of them.

lengths: the peak of the generator's resident size over a flood and over a paced load, of one length, of 4 times that
and of 16 times. It may grow with the messages that are under way, and not with those that have passed.

Prints Markdown tables; the exit status is 1 when something misses its bound: connected in a second, 2 KB a client,
no growth over 10 %.
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

from benchmarks.programs import here, server, take_places
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
    """Connect so many clients, send one message to all; return seconds, and this process's memory before them."""
    swarm.clients.connect(1)
    swarm.clients.join()  # whatever is loaded when it is first needed is loaded now
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    swarm.clients.connect(count - 1)
    connected = time.monotonic()
    swarm.clients.join()
    joined = time.monotonic()
    swarm.clients.join()  # all are in the room, so the first message is heard by all of them
    heard = time.monotonic()
    return {
        "connect_s": connected - began,
        "join_s": joined - connected,
        "broadcast_s": heard - joined,
        "before_bytes": before,
    }


def crowd(swarm: Swarm, count: int) -> dict[str, float]:
    """Hold so many and load them; return also what each of them took of this process's memory, at its peak."""
    seen = hold(swarm, count)
    swarm.paced(swarm.clients.senders(1), rate_per_s=2, text_bytes=BODY_BYTES, warm_up_s=0, seconds=LENGTH_S)
    if swarm.figures["dropped_share"] > 0:
        raise HarnessError(f"{swarm.figures['dropped_share']:.2%} of the deliveries were dropped")
    return {**seen, "bytes_a_client": (peak_rss_bytes(os.getpid()) - seen["before_bytes"]) / (count - 1)}


def load(swarm: Swarm, workload: str, seconds: float) -> dict[str, float]:
    """Make a load; return the peak of this process's memory."""
    plugins.workloads()[workload].run(swarm, {**LOADS[workload], "seconds": seconds})
    return {"peak_bytes": peak_rss_bytes(os.getpid())}


def generator(core: str, address: str, pid: str, spec: str, what: str, amount: str) -> dict[str, float]:
    """Be the generator, in a process of its own: of a crowd of so many, or of a load of so many seconds."""
    if core:
        os.sched_setaffinity(0, [int(core)])
    raise_descriptor_limit()
    swarm = Swarm(Clients(Address.parse(address), plugins.specs()[spec].codec), int(pid))
    try:
        deeds = {"hold": hold, "crowd": crowd}
        return deeds[what](swarm, int(amount)) if what in deeds else load(swarm, what, float(amount))
    finally:
        swarm.clients.close()


async def told(one: Implementation, what: str, amount: float, cores: Cores) -> dict[str, float]:
    """Start a server and a generator; return what the generator tells.

    Raises:
        HarnessError: it has failed.
    """
    core = str(cores.load[0]) if cores.load else ""
    async with launch(one) as running:
        words = [core, str(running.address), str(running.pid), one.spec, what, f"{amount:g}"]
        command = [sys.executable, "-m", "benchmarks.ten_thousand", "--generator", *words]
        done = await anyio.run_process(command, check=False, stderr=None)
    if done.returncode:
        raise HarnessError(f"{one.name}, {what}: the generator ended with status {done.returncode}")
    seen: dict[str, float] = json.loads(done.stdout)
    return seen


async def crowds(servers: Sequence[Implementation], runs: int, count: int, cores: Cores) -> bool:
    """Print the table of crowds; return whether the bounds hold."""
    found: dict[str, list[dict[str, float]]] = {one.name: [] for one in servers}
    for number in range(runs):
        for one in servers[:: -1 if number % 2 else 1]:
            found[one.name].append(await told(one, "crowd", count, cores))
            print(f"round {number}, {one.name}: {found[one.name][-1]}", file=sys.stderr)
    print(f"{count:,} clients, medians (lowest–highest) of {runs}:\n")
    print("| server | connected, s | all in the room, s | one broadcast to all, s | generator, bytes a client |")
    print("|---|---|---|---|---|")
    holds = True
    for name, seen in found.items():
        cells = []
        for figure in ("connect_s", "join_s", "broadcast_s", "bytes_a_client"):
            values = [one[figure] for one in seen]
            middle = statistics.median(values)
            bound = {"connect_s": CONNECT_S, "bytes_a_client": BYTES_A_CLIENT}.get(figure)
            missed = bound is not None and middle > bound
            holds &= not missed
            digits = ".0f" if figure == "bytes_a_client" else ".3f"
            spread = f"{min(values):{digits}}–{max(values):{digits}}"
            cells.append(f"{middle:{digits}} ({spread}){' **over ' + format(bound, 'g') + '**' if missed else ''}")
        print(f"| {name} | {' | '.join(cells)} |")
    return holds


async def lengths(one: Implementation, cores: Cores) -> bool:
    """Print the table of lengths; return whether memory is constant."""
    print(f"\nPeak of the generator's memory, MB, over loads of different lengths on {one.name}:\n")
    print(f"| load | {' | '.join(f'{times * LENGTH_S:g} s' for times in LENGTHS)} | growth |")
    print(f"|---|{'---|' * (len(LENGTHS) + 1)}")
    holds = True
    for workload in LOADS:
        peaks = [(await told(one, workload, times * LENGTH_S, cores))["peak_bytes"] for times in LENGTHS]
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
    asked = parser.parse_args(arguments)
    machine, cores = here(), take_places()
    try:
        servers = [server(name) for name in asked.servers]
        holds = anyio.run(crowds, servers, asked.runs, asked.clients, cores)
        if not asked.no_lengths:
            holds &= anyio.run(lengths, servers[0], cores)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{machine}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
