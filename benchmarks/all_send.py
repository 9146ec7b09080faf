"""What a delivery costs a server when four clients send, and when all do: system calls, switches, processor time.

    python -m benchmarks.all_send c_epoll erlang
    python -m benchmarks.all_send --quick c_epoll        once, to see that it works

A hundred clients; four senders have 256 messages in flight each, a hundred have 2, as in the league's slices "few" and
"all". Prints a Markdown table with the medians of three slices of a second, and, for the system calls, one slice under
`strace -f -c` (which slows a server, so that more messages wait for each of its reads than without). Reads, writes and
others are all system calls whose names say so: "read", "recv"; "write", "send"; "futex"; and the two that are the most
frequent of the others.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

import anyio

from benchmarks.programs import describe_machine, server, slices_of, stopped_server, use_server_core
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.model import Implementation
from harness.processes.proc import read_per_thread
from harness.processes.warden import descendants
from harness.servers.resources import usage

KINDS = ("few", "all")
CLIENTS, SLICE_S, SLICES = 100, 1.0, 3
GROUPS = {"reads": ("read", "recv"), "writes": ("write", "send"), "futex": ("futex",)}
OTHERS = 2  # of the other system calls are named
SUMMARY_LINE = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)  # calls and name
SWITCHES = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """What deliveries cost a server.

    Attributes:
        deliveries_per_s: without strace.
        switches: voluntary, of all threads, for 1000 deliveries.
        cpu_us: processor time for 1000 deliveries, in µs.
        calls: system calls for 1000 deliveries, by name.
    """

    deliveries_per_s: float
    switches: float
    cpu_us: float
    calls: Mapping[str, float]


async def costs(implementation: Implementation, slices: int, cores: Cores) -> dict[str, Cost]:
    """Measure a server; return its costs by kind of slice."""
    found = {}
    seconds = dict.fromkeys(KINDS, SLICE_S)
    async with (
        stopped_server(implementation) as running,
        slices_of(running, implementation, CLIENTS, seconds, cores) as run,
    ):
        for kind in KINDS:
            rates, switches, cpu_us = [], [], []
            for _ in range(slices):
                before = _switches(running.pid), usage(running.pid).cpu_s
                rates.append((await run(kind))[kind])
                thousands = rates[-1] * SLICE_S / 1000
                switches.append((_switches(running.pid) - before[0]) / thousands)
                cpu_us.append((usage(running.pid).cpu_s - before[1]) * 1e6 / thousands)
            with tempfile.NamedTemporaryFile("r") as summary:
                async with _strace(running.pid, summary.name):
                    thousands = (await run(kind))[kind] * SLICE_S / 1000
                calls = {name: int(count) / thousands for count, name in SUMMARY_LINE.findall(summary.read())}
            calls.pop("total", None)
            found[kind] = Cost(median(rates), median(switches), median(cpu_us), calls)
    return found


def _switches(pid: int) -> int:
    """Return how often the threads of a process and its descendants have waited so far, as far as they still live."""
    texts = (text for each in (pid, *descendants(pid)) for text in read_per_thread(each, "status"))
    return sum(int(number) for text in texts for number in SWITCHES.findall(text))


@asynccontextmanager
async def _strace(pid: int, summary: str) -> AsyncIterator[None]:
    """Count the system calls of a process and its descendants while the context lasts."""
    pids = [word for each in (pid, *descendants(pid)) for word in ("-p", str(each))]
    try:
        process = await anyio.open_process(["strace", "-f", "-c", "-o", summary, *pids], stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise HarnessError("strace is not installed") from None
    assert process.stderr
    await process.stderr.receive()  # it says that it has attached
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


def _cells(few: Cost, everybody: Cost) -> Iterator[str]:
    yield f"{few.deliveries_per_s / 1e6:.3g}"
    yield f"{everybody.deliveries_per_s / 1e6:.3g}"
    yield f"{everybody.deliveries_per_s / few.deliveries_per_s:.2g}"
    for parts in GROUPS.values():
        yield " → ".join(_digits(_sum(cost, parts)) for cost in (few, everybody))
    others = Counter({name: count for name, count in everybody.calls.items() if not _is_in_group(name)}).most_common(
        OTHERS
    )
    yield ", ".join(f"{name} {_digits(few.calls.get(name, 0))} → {_digits(count)}" for name, count in others)
    yield f"{_digits(few.switches)} → {_digits(everybody.switches)}"
    yield f"{_digits(few.cpu_us)} → {_digits(everybody.cpu_us)}"


def _is_in_group(name: str) -> bool:
    return any(part in name for parts in GROUPS.values() for part in parts)


def _sum(cost: Cost, parts: tuple[str, ...]) -> float:
    return sum(count for name, count in cost.calls.items() if any(part in name for part in parts))


def _digits(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}"


async def main_async(names: list[str], slices: int, cores: Cores) -> None:
    """Measure the servers one after the other, and print a row for each."""
    headings = ("server", "few, M/s", "all, M/s", "ratio", *GROUPS, "others", "switches", "processor time, µs")
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}", flush=True)
    for name in names:
        found = await costs(server(name), slices, cores)
        print(f"| `{name}` | {' | '.join(_cells(*(found[kind] for kind in KINDS)))} |", flush=True)


def main() -> None:
    """Measure the servers named on the command line."""
    parser = argparse.ArgumentParser(description="What a delivery costs when four clients send, and when all do.")
    parser.add_argument("names", nargs="+", metavar="SERVER", help="servers of broadcast")
    parser.add_argument("--quick", action="store_true", help="one slice in place of three")
    options = parser.parse_args()
    machine = describe_machine()
    anyio.run(main_async, options.names, 1 if options.quick else SLICES, use_server_core())
    print(f"\n{machine}")


if __name__ == "__main__":
    main()
