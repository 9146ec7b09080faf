"""How much time and memory the judge of histories takes.

    python -m benchmarks.judge                          every kind and size at 10^5, 10^6 and 10^7 deliveries
    python -m benchmarks.judge 10000000                 every kind and size at 10^7
    python -m benchmarks.judge 10000000 100 swap        only this kind, with so many clients

Each measurement is a process of its own, which generates a history and judges it; kinds take turns, so that a busy
moment of the machine affects all of them. Memory is the peak of the whole process, including the history and its
generation.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.history.judge import judge
from harness.history.record import History, send_event

KINDS = {
    "clean": "every client receives everything",
    "drops": "every client misses 5 %",
    "halves": "every client misses half",
    "swap": "as drops; two successive messages are exchanged for one client",
    "ring": "as clean; in addition each of many clients receives two of as many messages, which form a ring",
    "disorder": "every client receives every message up to 50 places too late",
}
CLIENTS = (10, 100, 1000)
DELIVERIES = (100_000, 1_000_000, 10_000_000)
RUNS = 3
RING = 100_000  # messages of a ring, at most a hundredth of the deliveries
AHEAD = 100  # a message is sent so many places before it is received


class Numbered(Sequence[str]):
    """Names that need no memory."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> str:  # type: ignore[override]
        if not 0 <= number < self._count:
            raise IndexError(number)
        return f"m{number}"


def history(kind: str, clients: int, messages: int, seed: int = 1) -> History:
    """Return a history in which all clients send and all receive."""
    chance = np.random.default_rng(seed)
    order = np.arange(messages)
    authors = chance.integers(0, clients, messages)
    events = [_events(kind, client, clients, order, authors, chance) for client in range(clients)]
    if kind == "ring":
        size = min(RING, clients * messages // 100)
        ring = messages + np.arange(size)
        events += list(-ring[:, np.newaxis] - 1)
        events += list(np.stack((ring, np.roll(ring, -1)), axis=1)[chance.permutation(size)])
        authors = np.concatenate((authors, clients + np.arange(size)))
    return History(
        events=events,
        clients=range(len(events)),
        senders=array("q", authors.tobytes()),
        send_counts=array("q", np.ones(authors.size, np.int64).tobytes()),
        names=Numbered(authors.size),
    )


def _events(
    kind: str,
    client: int,
    clients: int,
    order: NDArray[np.int64],
    authors: NDArray[np.int64],
    chance: np.random.Generator,
) -> NDArray[np.int64]:
    share = {"drops": 0.05, "swap": 0.05, "halves": 0.5}.get(kind, 0)
    received = order[chance.random(order.size) >= share] if share else order
    if kind == "disorder":
        received = order[np.argsort(order + 50 * chance.random(order.size))]
    if kind == "swap" and client == clients // 2:
        received = received.copy()
        at = received.size // 2
        while client in authors[received[at : at + 2]] or authors[received[at]] == authors[received[at + 1]]:
            at += 1
        received[[at, at + 1]] = received[[at + 1, at]]
    mine = order[authors == client]
    places = np.searchsorted(received, mine - AHEAD) if kind != "disorder" else np.maximum(mine - AHEAD, 0)
    return np.insert(received, places, send_event(mine))


def measure(deliveries: int, clients: int, kind: str) -> dict[str, object]:
    """Judge a generated history; return wall-clock and processor time in s, peak memory in MiB, and the verdict."""
    judged = history(kind, clients, deliveries // clients)
    began, began_cpu = time.perf_counter(), time.process_time()
    faults = judge(judged)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mib = peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    verdict = "; ".join(f"{fault.kind}: {len(fault.witnesses)} witnesses" for fault in faults) or "lawful"
    return {"seconds": seconds, "cpu_s": cpu_s, "peak_mib": peak_mib, "verdict": verdict}


def measure_in_a_process(deliveries: int, clients: int, kind: str) -> dict[str, object]:
    """Do the same in a new process."""
    command = [sys.executable, __file__, "--once", str(deliveries), str(clients), kind]
    measured: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return measured


def rows(chosen: Sequence[tuple[int, int, str]]) -> Iterator[str]:
    """Measure, in turns, and yield the lines of a Markdown table."""
    by_size: dict[tuple[int, int, str], list[dict[str, object]]] = {size: [] for size in chosen}
    for _ in range(RUNS):
        for size in chosen:
            by_size[size].append(measure_in_a_process(*size))
    yield "| kind | clients × messages | deliveries | processor s | median s | lowest–highest s | peak MiB | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for (deliveries, clients, kind), runs in by_size.items():
        seconds, cpu_s, peaks = ([float(str(run[key])) for run in runs] for key in ("seconds", "cpu_s", "peak_mib"))
        cells = [
            kind,
            f"{clients:,} × {deliveries // clients:,}",
            f"{deliveries:,}",
            f"{statistics.median(cpu_s):.3f}",
            f"{statistics.median(seconds):.3f}",
            f"{min(seconds):.3f}–{max(seconds):.3f}",
            f"{max(peaks):.0f}",
            runs[0]["verdict"],
        ]
        yield f"| {' | '.join(map(str, cells))} |"


def main(arguments: Sequence[str]) -> None:
    """Measure what the command line names, and everything where it names nothing."""
    if arguments[:1] == ["--once"]:
        print(json.dumps(measure(int(arguments[1]), int(arguments[2]), arguments[3])))
        return
    given = dict(zip(("deliveries", "clients", "kind"), arguments, strict=False))
    chosen = [
        (deliveries, clients, kind)
        for kind in ([given["kind"]] if "kind" in given else KINDS)
        for clients in ([int(given["clients"])] if "clients" in given else CLIENTS)
        for deliveries in ([int(given["deliveries"])] if "deliveries" in given else DELIVERIES)
    ]
    for row in rows(chosen):
        print(row)


if __name__ == "__main__":
    main(sys.argv[1:])
