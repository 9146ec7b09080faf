"""Compares the swarm with a plain C generator, in short interleaved slices against servers of the same kind.

    python -m benchmarks.generator                  10, 100 and 1000 clients: some eight minutes
    python -m benchmarks.generator --quick          100 clients, to see that it works
    python -m benchmarks.generator --server NAME    with another server than c_epoll
    python -m benchmarks.generator --clients 10     only with so many clients

Four generators: C (generator.c), C that receives and verifies nothing (discard), the swarm with its native engine, and
the swarm with its Python engine; in paced loads also C that never sleeps (spin). Each has a server of its own, and both
are stopped while another one has its slice (see `benchmarks/interleaved.py`). The loads are those of the league
(`harness.load.resident.KINDS`).

Prints a Markdown table of throughput and of latency, with bounds for the two engines. A bound is missed when the
whole interval is beyond it; then the exit status is 1. Servers run on the first core, generators on the second.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio

from benchmarks.interleaved import (
    Alternative,
    Bound,
    Figures,
    Size,
    Slice,
    Table,
    add_size,
    measure,
    print_ratios,
    resident,
    size_of,
)
from benchmarks.programs import (
    WARM_UP_S,
    c_program,
    describe_machine,
    server,
    stopped_server,
    swarm_slices,
    use_server_core,
)
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.load.resident import BODY_BYTES, KINDS
from harness.model import Implementation
from harness.zoo import build

GENERATOR = c_program("generator.c")
CLIENTS, QUICK_CLIENTS = (10, 100, 1000), (100,)
FULL, QUICK = Size(blocks=8, rounds=12), Size(blocks=6, rounds=4)
FEW, SINGLE, PACED = "few", "single", "paced"
SECONDS = {FEW: 0.03, SINGLE: 0.03, PACED: 0.1}  # of a slice
C, DISCARD, SPIN, NATIVE, PYTHON = "C", "C, discard", "C, spin", "native", "Python"
NAMES = (C, DISCARD, SPIN, NATIVE, PYTHON)
KINDS_OF = {DISCARD: (FEW, SINGLE), SPIN: (PACED,)}  # of the others: all
MAX_PACED_CLIENTS = 100  # with 1000 a server cannot keep up, and latencies would be those of a queue
TITLES = {
    FEW: f"{KINDS[FEW].in_flight} in flight",
    SINGLE: "one in flight",
    PACED: f"{KINDS[PACED].rate_per_s:g} messages/s",
}
BOUNDS = {
    (FEW, NATIVE): Bound(at_least=0.95),
    (SINGLE, NATIVE): Bound(at_least=0.95),
    (FEW, PYTHON): Bound(at_least=0.6),
    (SINGLE, PYTHON): Bound(at_least=0.75),
    (PACED, NATIVE): Bound(at_most=1.1),
}


@asynccontextmanager
async def c_slices(target: Implementation, clients: int, name: str, cores: Cores) -> AsyncIterator[Slice]:
    """Launch a server and the C generator.

    Args:
        target: the server.
        clients: how many there are.
        name: of the alternative.
        cores: those of the server and of the generator.
    """
    flags = {"clients": clients, "body_bytes": BODY_BYTES, "spin": int(name == SPIN), "discard": int(name == DISCARD)}
    arguments = [f"{flag}={value}" for flag, value in flags.items()] + [f"core={number}" for number in cores.load]
    program = await build.ensure_built(GENERATOR)
    async with stopped_server(target) as running, resident([*program, str(running.address), *arguments]) as generator:

        async def run(kind: str) -> Figures:
            load = KINDS[kind]
            how = (
                f"flood {load.senders} {load.in_flight}"
                if load.in_flight
                else f"paced {load.senders} {load.rate_per_s}"
            )
            running.signal_all(signal.SIGCONT)
            try:
                line = await generator.request(f"{how} {WARM_UP_S} {SECONDS[kind]}".encode())
            finally:
                running.signal_all(signal.SIGSTOP)
            figures = json.loads(line)
            return {kind: figures["deliveries_per_s"] if load.in_flight else figures["latency_p50_ns"] / 1e9}

        await generator.receive()
        running.signal_all(signal.SIGSTOP)
        yield run


def alternatives(target: Implementation, clients: int, cores: Cores) -> list[Alternative]:
    """Return all generators, each with a server of its own.

    Args:
        target: the server.
        clients: how many there are.
        cores: those of the server and of the generator.
    """
    starts = {name: partial(c_slices, target, clients, name, cores) for name in (C, DISCARD, SPIN)}
    starts |= {name: partial(swarm_slices, target, clients, SECONDS, cores, name.lower()) for name in (NATIVE, PYTHON)}
    kinds = kinds_with(clients)
    return [
        Alternative(name, [kind for kind in KINDS_OF.get(name, kinds) if kind in kinds], starts[name]) for name in NAMES
    ]


async def compare(target: Implementation, all_clients: Sequence[int], size: Size, cores: Cores) -> Table:
    """Measure; return by load and number of clients the mean logarithms.

    Args:
        target: the server.
        all_clients: the numbers of clients.
        size: how much to measure.
        cores: those of the server and of the generator.
    """
    table: Table = {}
    for clients in all_clients:
        title = f"{clients} clients, "
        found = await measure(alternatives(target, clients, cores), size.blocks, size.rounds, title=title)
        table |= {row(kind, clients): found[kind] for kind in kinds_with(clients)}
    return table


def kinds_with(clients: int) -> list[str]:
    """Return the kinds of slices that are made with so many clients."""
    return [kind for kind in SECONDS if kind != PACED or clients <= MAX_PACED_CLIENTS]


def row(kind: str, clients: int) -> str:
    """Return the name of a row of the table."""
    return f"{TITLES[kind]}, {clients} clients"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a bound is missed, 2 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="c_epoll")
    parser.add_argument("--clients", type=int, nargs="+")
    add_size(parser)
    options = parser.parse_args(arguments)
    size, all_clients = size_of(options, FULL, QUICK), options.clients or (QUICK_CLIENTS if options.quick else CLIENTS)
    machine, cores = describe_machine(), use_server_core()
    try:
        table = anyio.run(compare, server(options.server), all_clients, size, cores)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Deliveries a second, and p50 of the paced load; {options.server}, {BODY_BYTES} bytes:\n")
    kinds = {row(kind, clients): kind for kind in SECONDS for clients in all_clients if kind in kinds_with(clients)}
    units = {name: ("µs", 1e-6) if kind == PACED else ("M/s", 1e6) for name, kind in kinds.items()}
    bounds = {
        (name, generator): bound
        for name, kind in kinds.items()
        for (of, generator), bound in BOUNDS.items()
        if of == kind
    }
    holds = print_ratios(table, NAMES, units, bounds)
    print(f"\n{size.describe(machine)}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
