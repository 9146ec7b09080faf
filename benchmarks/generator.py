"""Compares the swarm with a plain C generator, in one interleaved run against the same server.

    python -m benchmarks.generator                  ten rounds, with c_epoll
    python -m benchmarks.generator --runs 3 --quick shorter, to try it out
    python -m benchmarks.generator --server NAME    with another server
    python -m benchmarks.generator --clients 10     only with so many clients

Four generators: C (generator.c), C that receives and verifies nothing (discard), the swarm with its native engine, and
the swarm with its Python engine; in paced loads also C that never sleeps (spin). In each round every generator makes
every load once, against a fresh server; generators that are compared follow one another, and every other round takes
them in reverse order. A ratio is the median of the ratios of the rounds, so that a drift of the machine affects both.

Prints two Markdown tables and marks the ratios that miss their threshold; then the exit status is 1. Servers run on the
first core, generators on the second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from benchmarks.programs import c_program, describe_machine, figures, server, use_server_core
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.load.engine import choose
from harness.model import Implementation
from harness.servers.launch import launch
from harness.zoo import build

GENERATOR = c_program("generator.c")
CLIENTS = (10, 100, 1000)
PACED_CLIENTS = (10, 100)
RATE_PER_S = 1000
BODY_BYTES = 32
C, DISCARD, NATIVE, PYTHON, SPIN = "C", "C, discard", "native", "Python", "C, spin"


@dataclass(frozen=True)
class Load:
    """A load: one row of a table.

    Attributes:
        name: of the load, for the table.
        workload: the swarm's workload, which the C generator has as well.
        parameters: of the workload.
        generators: those that make the load.
        at_least: generator → the threshold of its ratio to C: the lowest one for throughput, the highest for latency.
    """

    name: str
    workload: str
    parameters: Mapping[str, float]
    generators: Sequence[str]
    at_least: Mapping[str, float]

    @property
    def figure(self) -> str:
        return "latency_p50_ns" if self.workload == "paced" else "deliveries_per_s"

    def misses(self, generator: str, ratio: float) -> bool:
        """Return whether a ratio to C misses its threshold."""
        bound = self.at_least.get(generator)
        return bound is not None and (ratio > bound if self.workload == "paced" else ratio < bound)


def loads(clients: Sequence[int], warm_up_s: float, seconds: float) -> list[Load]:
    """Return all loads of a round, each with each of these numbers of clients."""
    times = {"body_bytes": BODY_BYTES, "warm_up_s": warm_up_s, "seconds": seconds}
    floods_in_flight = [
        ("1024 in flight", {"senders": 4, "in_flight": 1024}, {NATIVE: 0.95, PYTHON: 0.6}),
        ("one in flight", {"senders": 1, "in_flight": 1}, {NATIVE: 0.95, PYTHON: 0.75}),
    ]
    floods = [
        Load(name, "flood", {"clients": count, **parameters, **times}, (C, DISCARD, NATIVE, PYTHON), bounds)
        for name, parameters, bounds in floods_in_flight
        for count in clients
    ]
    paced = [
        Load(
            f"{RATE_PER_S} messages/s",
            "paced",
            {"clients": count, "senders": 4, "rate_per_s": RATE_PER_S, **times},
            (C, SPIN, NATIVE, PYTHON),
            {NATIVE: 1.1},
        )
        for count in PACED_CLIENTS
        if count in clients
    ]
    return [*floods, *paced]


async def run_c_generator(target: Implementation, load: Load, generator: str, cores: Cores) -> dict[str, float]:
    """Load a server with the C generator; return its figures.

    Raises:
        HarnessError: it reports a fault of the server.
    """
    mode = "discard" if generator == DISCARD else load.workload
    arguments = [f"{name}={value:g}" for name, value in load.parameters.items()]
    arguments += [f"spin={int(generator == SPIN)}", *(f"core={number}" for number in cores.load)]
    async with launch(target, grace_s=2) as running:
        command = [*await build.ensure_built(GENERATOR), mode, str(running.address), *arguments]
        done = await anyio.run_process(command, check=False, stderr=None)
    if done.returncode:
        raise HarnessError(f"the C generator ended with status {done.returncode}: {' '.join(command)}")
    figures_of_c: dict[str, float] = json.loads(done.stdout)
    return figures_of_c


async def measure(target: Implementation, load: Load, generator: str, cores: Cores) -> dict[str, float]:
    """Load a server with one of the generators; return its figures."""
    if generator in (NATIVE, PYTHON):
        os.environ[choose.ENGINE_VARIABLE] = generator.lower()
        return await figures(target, load.workload, load.parameters, cores)
    return await run_c_generator(target, load, generator, cores)


async def rounds(
    target: Implementation, all_loads: Sequence[Load], runs: int, cores: Cores
) -> list[dict[str, list[dict[str, float]]]]:
    """Measure; return for each load, for each generator, the figures of each round."""
    by_load: list[dict[str, list[dict[str, float]]]] = [{name: [] for name in load.generators} for load in all_loads]
    for number in range(runs):
        for load, by_generator in zip(all_loads, by_load, strict=True):
            for generator in load.generators[:: -1 if number % 2 else 1]:
                result = await measure(target, load, generator, cores)
                by_generator[generator].append(result)
                clients = load.parameters["clients"]
                print(f"round {number}, {clients:g} clients, {load.name}, {generator}: {result}", file=sys.stderr)
    return by_load


def cell(values: Sequence[float], scale: float) -> str:
    """Return a median with the lowest and the highest value."""
    median, lowest, highest = (digits(f(values) * scale) for f in (statistics.median, min, max))
    return f"{median} ({lowest}–{highest})"


def digits(value: float) -> str:
    """Return a number with three digits, or with all digits before its decimal point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(
    all_loads: Sequence[Load], by_load: Sequence[Mapping[str, Sequence[Mapping[str, float]]]], workload: str
) -> tuple[list[str], bool]:
    """Return the lines of the table of one workload, and whether all thresholds hold.

    Args:
        all_loads: the loads of all workloads.
        by_load: for each load, for each generator, the figures of each round.
        workload: the workload.
    """
    rows, holds = [], True
    chosen = [
        (load, by_generator) for load, by_generator in zip(all_loads, by_load, strict=True) if load.workload == workload
    ]
    generators = chosen[0][0].generators
    scale = 1e-3 if workload == "paced" else 1e-6
    for load, by_generator in chosen:
        values = {name: [result[load.figure] for result in by_generator[name]] for name in generators}
        cells = [load.name, f"{load.parameters['clients']:g}", *(cell(values[name], scale) for name in generators)]
        for name in generators[1:]:
            ratios = [ours / of_c for ours, of_c in zip(values[name], values[C], strict=True)]
            ratio = statistics.median(ratios)
            missed = load.misses(name, ratio)
            holds &= not missed
            bound = load.at_least.get(name)
            wanted = "" if bound is None else f", {'at most' if workload == 'paced' else 'at least'} {bound:g}"
            mark = " **missed**" if missed else ""
            cells.append(f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f}{wanted}){mark}")
        rows.append(cells)
    head = ["load", "clients", *generators, *(f"{name} / C" for name in generators[1:])]
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)], holds


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a threshold is missed, 2 when a trial did not finish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--server", default="c_epoll")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--quick", action="store_true", help="measure for only 0.3 s a trial")
    options = parser.parse_args(arguments)
    seconds = 0.3 if options.quick else options.seconds
    machine, cores = describe_machine(), use_server_core()
    all_loads = loads(options.clients, warm_up_s=seconds / 4, seconds=seconds)
    try:
        by_load = anyio.run(rounds, server(options.server), all_loads, options.runs, cores)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    lines, holds = table(all_loads, by_load, "flood")
    paced_lines, paced_holds = table(all_loads, by_load, "paced")
    conditions = f"{options.runs} rounds of {seconds:g} s, {options.server}, {BODY_BYTES} bytes"
    print("M deliveries/s, medians (lowest–highest); medians of the ratios of each round.", "", *lines, "", sep="\n")
    print("p50 in µs, medians (lowest–highest); medians of the ratios of each round.", "", *paced_lines, "", sep="\n")
    print(f"{conditions}; {machine}")
    return 0 if holds and paced_holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
