"""Ten thousand connections, one after the other and all at once, on each server of broadcast that can run here.

    python -m benchmarks.connections                    every server; some quarter of an hour
    python -m benchmarks.connections asyncio c_epoll    these

one after the other: each connects, says one message, hears it and leaves, by FIN and by RST in turn. What the server
uses is looked at after FIRST of them and after all; what it has grown by since is told for each of the connections
between. A collector of garbage may let a heap grow for a while, so a leak is more than LEAK_BYTES for each, three times
in a row, or descriptors or threads that a hundredth of them leave behind (a pool may grow a little).

at once: so many connect, all hear one message, and then one broadcast reaches every one of them.

Prints a Markdown table; the exit status is 1 when somebody leaks or does not hold them.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import time
from collections.abc import Sequence

import anyio

from benchmarks.programs import SPEC, here, server, take_places
from benchmarks.ten_thousand import CLIENTS, told
from harness import plugins
from harness.addresses import Address
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.model import Implementation
from harness.servers.launch import launch
from harness.servers.resources import usage
from harness.zoo import build
from harness.zoo.discover import why_unavailable

FIRST = 2000  # by then every heap has its size
LEAK_BYTES = 100.0  # a connection: less than anybody needs to remember one
LEAK_SHARE = 0.01  # of the connections leave a descriptor or a thread behind
STRETCHES = 3
SETTLE_S = 10.0  # in which a server notices that the last of them have left
REPLY_S = 30.0
CODEC = plugins.specs()[SPEC].codec
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that makes a RST of a close


def visit(address: Address, number: int) -> None:
    """Connect, say a message, hear it, leave; raise OSError when that does not go."""
    data = CODEC.encode(f"{number}".encode())
    with socket.create_connection((address.host, address.port), REPLY_S) as one:
        one.sendall(data)
        heard = b""
        while data not in heard:
            piece = one.recv(4096)
            if not piece:
                raise ConnectionError("closed by the server")
            heard += piece
        if number % 2:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def in_a_row(one: Implementation, count: int) -> tuple[str, bool]:
    """Let so many come and go; return what the server grew by, in words, and whether that is a leak."""
    async with launch(one) as running:
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
    """Return bytes, descriptors and threads, when the last two are as few as `enough`, or do not change any more."""
    deadline, last = time.monotonic() + SETTLE_S, -1
    while True:
        now = usage(pid)
        held = now.descriptors + now.threads
        if held <= enough or time.monotonic() > deadline or (not enough and held == last):
            return now.rss_bytes, now.descriptors, now.threads
        last = held
        await anyio.sleep(0.5)  # what is looked at sets no event of ours


async def at_once(one: Implementation, count: int, cores: Cores) -> tuple[str, bool]:
    """Hold so many; return how long it took, in words, and whether it failed."""
    try:
        seen = await told(one, "hold", count, cores)
    except HarnessError as error:
        return f"**{error}** | | ", True
    return f"{seen['connect_s']:.2f} | {seen['join_s']:.2f} | {seen['broadcast_s']:.2f}", False


async def rows(servers: Sequence[Implementation], count: int, cores: Cores) -> bool:
    """Print the table; return whether all hold what they should."""
    print(
        "| server | bytes kept | descriptors | threads | ms a visit | connected, s | in the room, s | one to all, s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    fine = True
    for one in servers:
        if reason := why_unavailable(one) or await build.try_build(one):
            print(f"{one.name} is left out: {reason}", file=sys.stderr)
            continue
        try:
            kept, leaks = await in_a_row(one, count)
        except (HarnessError, OSError) as error:
            kept, leaks = f"**{error}** | | | ", True
        held, failed = await at_once(one, count, cores)
        fine &= not (leaks or failed)
        print(f"| {one.name}{' **leaks**' if leaks else ''} | {kept} | {held} |", flush=True)
    return fine


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when somebody leaks or does not hold them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    asked = parser.parse_args(arguments)
    machine, cores = here(), take_places()
    every = [one for one in plugins.implementations() if one.spec == SPEC]
    servers = [server(name) for name in asked.servers] or every
    print(f"{asked.clients:,} connections, one after the other and at once:\n")
    fine = anyio.run(rows, servers, asked.clients, cores)
    print(f"\n{machine}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
