"""Ten thousand connections, one after the other and all at once, on each available server of broadcast.

    python -m benchmarks.connections                    every server; some quarter of an hour
    python -m benchmarks.connections asyncio c_epoll    these

one after the other: each client connects, sends one message, receives it and leaves, by FIN and by RST in turn. The
server's usage is measured after FIRST of them and after all; the table shows the growth per connection in between. A
garbage collector may let a heap grow for a while, so a leak is more than LEAK_BYTES a connection, three times in a row,
or descriptors or threads that more than a hundredth of the connections leave behind (a pool may grow a little).

at once: so many clients connect, all receive one message, and then one broadcast reaches all of them.

Prints a Markdown table; the exit status is 1 when a server leaks or does not hold the connections.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import time
from collections.abc import Sequence

import anyio

from benchmarks.programs import SPEC, describe_machine, server, use_server_core
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
        began, visits = time.monotonic(), 0
        while True:
            for number in range(count):
                visit(running.address, number)
            after = await _settled(running.pid, first[1] + first[2])
            each, visits = (after[0] - before[0]) / count, visits + count
            if each <= LEAK_BYTES or visits >= STRETCHES * count:
                break
            before = after
        seconds = time.monotonic() - began
    more = f"{after[1] - first[1]:+d} | {after[2] - first[2]:+d}"
    held = max(after[1] - first[1], after[2] - first[2])
    leaks = each > LEAK_BYTES or held > visits * LEAK_SHARE
    return f"{each:.0f} | {more} | {1e3 * seconds / visits:.2f}", leaks


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


async def rows(servers: Sequence[Implementation], count: int, cores: Cores) -> bool:
    """Print the table; return whether no server leaks and all hold the connections."""
    print(
        "| server | bytes kept | descriptors | threads | ms a visit | all connected, s | all joined, s | broadcast, s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    fine = True
    for implementation in servers:
        if reason := why_unavailable(implementation) or await build.try_build(implementation):
            print(f"{implementation.name} is skipped: {reason}", file=sys.stderr)
            continue
        try:
            kept, leaks = await one_after_the_other(implementation, count)
        except (HarnessError, OSError) as error:
            kept, leaks = f"**{error}** | | | ", True
        held, failed = await at_once(implementation, count, cores)
        fine &= not (leaks or failed)
        print(f"| {implementation.name}{' **leaks**' if leaks else ''} | {kept} | {held} |", flush=True)
    return fine


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a server leaks or does not hold the connections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    options = parser.parse_args(arguments)
    machine, cores = describe_machine(), use_server_core()
    all_servers = [implementation for implementation in plugins.implementations() if implementation.spec == SPEC]
    servers = [server(name) for name in options.servers] or all_servers
    print(f"{options.clients:,} connections, one after the other and at once:\n")
    fine = anyio.run(rows, servers, options.clients, cores)
    print(f"\n{machine}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
