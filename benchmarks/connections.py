"""Ten thousand connections, one after the other and all at once, on each available server of broadcast.

    python -m benchmarks.connections                    every server; some quarter of an hour
    python -m benchmarks.connections asyncio c_epoll    these
    python -m benchmarks.connections --visits NAME...   how many connections a second, compared with the first of these
    python -m benchmarks.connections --quick            fewer connections to two servers, to see that it works

one after the other: each client connects, sends one message, receives it and leaves, by FIN and by RST in turn. The
server's usage is measured after FIRST of them and after all; the table shows the growth per connection in between. A
garbage collector may let a heap grow for a while, so a leak is more than LEAK_BYTES a connection, three times in a row,
or descriptors or threads that more than a hundredth of the connections leave behind (a pool may grow a little).

at once: so many clients connect, all receive one message, and then one broadcast reaches all of them. Each server is
measured once, and one after the other: the times are no comparison.

visits: the same visits as one after the other, in short interleaved slices (see `benchmarks/interleaved.py`), as ratios
with intervals. With --quick it comes after the table.

Prints Markdown tables; the exit status is 1 when a server leaks or does not hold the connections.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio

from benchmarks.interleaved import (
    Alternative,
    Figures,
    Size,
    Slice,
    add_size,
    digits,
    level,
    measure,
    module,
    print_rows,
    ratios,
    serve,
    size_of,
)
from benchmarks.programs import SPEC, describe_machine, server, stopped_server, use_server_core
from benchmarks.ten_thousand import CLIENTS, run_generator
from harness import plugins
from harness.addresses import Address
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.model import Implementation
from harness.servers.launch import launch
from harness.servers.resources import usage
from harness.zoo import build
from harness.zoo.discover import why_unavailable

FULL, QUICK = Size(blocks=10, rounds=12), Size(blocks=6, rounds=4)
QUICK_CLIENTS, QUICK_SERVERS = 2000, ("asyncio", "c_epoll")
VISITS, SLICE_S = "visits a second", 0.03  # in a slice of which there are as many visits as take at least so long
FIRST = 2000  # connections, after which every heap has its size
LEAK_BYTES = 100.0  # a connection; whatever a server keeps of one takes more
LEAK_SHARE = 0.01  # of the connections may leave a descriptor or a thread behind
STRETCHES = 3
SETTLE_S = 10.0  # for a server to notice that the last clients have left
REPLY_S = 30.0
CODEC = plugins.specs()[SPEC].codec
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with which close(2) sends RST


def visit(address: Address, number: int) -> None:
    """Connect, send a message, receive it, and leave; raise OSError when that fails."""
    data = CODEC.encode(f"{number}".encode())
    with socket.create_connection((address.host, address.port), REPLY_S) as connection:
        connection.sendall(data)
        received = b""
        while data not in received:
            more = connection.recv(4096)
            if not more:
                raise ConnectionError("closed by the server")
            received += more
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def one_after_the_other(implementation: Implementation, count: int) -> tuple[str, bool]:
    """Let so many clients connect and leave; return the cells with the server's growth, and whether it leaks."""
    async with launch(implementation) as running:
        for number in range(FIRST):
            visit(running.address, number)
        first = before = await _settled(running.pid, 0)
        visits = 0
        while True:
            for number in range(count):
                visit(running.address, number)
            after = await _settled(running.pid, first[1] + first[2])
            each, visits = (after[0] - before[0]) / count, visits + count
            if each <= LEAK_BYTES or visits >= STRETCHES * count:
                break
            before = after
    more = f"{after[1] - first[1]:+d} | {after[2] - first[2]:+d}"
    held = max(after[1] - first[1], after[2] - first[2])
    leaks = each > LEAK_BYTES or held > visits * LEAK_SHARE
    return f"{each:.0f} | {more}", leaks


async def _settled(pid: int, enough: int) -> tuple[int, int, int]:
    """Return memory in bytes, descriptors and threads, when the last two are at most `enough` or stay the same."""
    deadline, last = time.monotonic() + SETTLE_S, -1
    while True:
        now = usage(pid)
        held = now.descriptors + now.threads
        if held <= enough or time.monotonic() > deadline or (not enough and held == last):
            return now.rss_bytes, now.descriptors, now.threads
        last = held
        await anyio.sleep(0.5)  # no event announces a change


async def at_once(implementation: Implementation, count: int, cores: Cores) -> tuple[str, bool]:
    """Hold so many connections; return the cells with how long it took, and whether it failed."""
    try:
        times = await run_generator(implementation, "hold", count, cores)
    except HarnessError as error:
        return f"**{error}** | | ", True
    return f"{times['connect_s']:.2f} | {times['join_s']:.2f} | {times['broadcast_s']:.2f}", False


async def available(servers: Sequence[Implementation]) -> list[Implementation]:
    """Return the servers that can run here; print why the others cannot."""
    found = []
    for implementation in servers:
        if reason := why_unavailable(implementation) or await build.try_build(implementation):
            print(f"{implementation.name} is skipped: {reason}", file=sys.stderr)
        else:
            found.append(implementation)
    return found


async def rows(servers: Sequence[Implementation], count: int, cores: Cores) -> bool:
    """Print the table; return whether no server leaks and all hold the connections."""
    print("| server | bytes kept | descriptors | threads | all connected, s | all joined, s | broadcast, s |")
    print("|---|---|---|---|---|---|---|")
    fine = True
    for implementation in servers:
        try:
            kept, leaks = await one_after_the_other(implementation, count)
        except (HarnessError, OSError) as error:
            kept, leaks = f"**{error}** | | ", True
        held, failed = await at_once(implementation, count, cores)
        fine &= not (leaks or failed)
        print(f"| {implementation.name}{' **leaks**' if leaks else ''} | {kept} | {held} |", flush=True)
    return fine


def visits_a_second(address: str) -> Figures:
    """Visit a server for the length of a slice; return how many visits there were a second."""
    count, began = 0, time.monotonic()
    while (seconds := time.monotonic() - began) < SLICE_S:
        visit(Address.parse(address), count)
        count += 1
    return {VISITS: count / seconds}


@asynccontextmanager
async def visited(implementation: Implementation, cores: Cores) -> AsyncIterator[Slice]:
    """Launch a server and a process that visits it.

    Args:
        implementation: the server.
        cores: those of the server and of the process.
    """
    core = ",".join(map(str, cores.load))
    async with (
        stopped_server(implementation) as running,
        module("benchmarks.connections", "--visit", str(running.address), core) as visitor,
    ):

        async def run(kind: str) -> Figures:
            running.signal_all(signal.SIGCONT)
            try:
                return await visitor(kind)
            finally:
                running.signal_all(signal.SIGSTOP)

        running.signal_all(signal.SIGSTOP)
        yield run


def compare_visits(servers: Sequence[Implementation], size: Size, cores: Cores) -> None:
    """Measure visits, and print the table of their ratios to those of the first server.

    Args:
        servers: those that are compared.
        size: how much to measure.
        cores: those of the server and of its clients.
    """
    alternatives = [Alternative(each.name, (VISITS,), partial(visited, each, cores)) for each in servers]
    table = anyio.run(measure, alternatives, size.blocks, size.rounds)
    found = ratios(table)
    rows = [["server", VISITS, f"÷ {servers[0].name}"]]
    for place, each in enumerate(servers):
        rows.append([each.name, digits(level(table[VISITS], place)), str(found.get((VISITS, place), "1"))])
    print_rows(rows)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a server leaks or does not hold the connections, 2 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*")
    parser.add_argument("--clients", type=int, help=f"how many connections; by default {CLIENTS:,}")
    parser.add_argument("--visits", action="store_true", help="only compare the servers by visits a second")
    parser.add_argument("--visit", nargs=2, help=argparse.SUPPRESS)
    add_size(parser)
    options = parser.parse_args(arguments)
    if options.visit:
        address, core = options.visit
        if core:
            os.sched_setaffinity(0, map(int, core.split(",")))
        serve(lambda _: visits_a_second(address))
        return 0
    machine, cores = describe_machine(), use_server_core()
    all_servers = [implementation for implementation in plugins.implementations() if implementation.spec == SPEC]
    names = options.servers or (QUICK_SERVERS if options.quick else ())
    servers, fine = anyio.run(available, [server(name) for name in names] or all_servers), True
    if not options.visits:
        count = options.clients or (QUICK_CLIENTS if options.quick else CLIENTS)
        print(f"{count:,} connections, one after the other and at once:\n")
        fine = anyio.run(rows, servers, count, cores)
        print(f"\n{machine}")
    if options.visits or options.quick:
        size = size_of(options, FULL, QUICK)
        print("\nVisits, one after the other:\n")
        try:
            compare_visits(servers, size, cores)
        except HarnessError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"\n{size.describe(machine)}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
