"""The loads of a block, in a process of their own: one request a line on standard input, one answer a line.

    python -m harness.load.slices first PROCESSES [CORE...]

Requests and answers are those of `harness.load.messages`. With several processes, each of them has its share of the
clients of every server; all handle the same requests in the same order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import msgspec

from harness import plugins
from harness.addresses import Address
from harness.errors import Inconclusive, Violation
from harness.load.clients.clients import Clients
from harness.load.endings import own_faults
from harness.load.messages import CloseServer, LoadAnswer, OpenServer, SliceMessage
from harness.load.processes import FirstProcessLost, LoadProcesses, join_load
from harness.load.resident import KINDS, ResidentLoad
from harness.processes.standstill import stood_still_s
from harness.records import from_json, to_json
from harness.servers import resources

MODULE = "harness.load.slices"
FIRST = "first"  # the argument of rank 0; the others get the number of a descriptor


def main() -> None:
    """Handle requests until standard input ends."""
    resources.raise_descriptor_limit()
    if sys.argv[1] != FIRST:
        with suppress(FirstProcessLost):
            processes, cores = join_load(int(sys.argv[1]))
            _stay_on(cores, processes)
            for _ in _answers(processes, {}):
                pass
        return
    count, *cores = (int(word) for word in sys.argv[2:])
    processes = LoadProcesses(count=count)
    processes.start(cores, MODULE)
    _stay_on(cores, processes)
    try:
        for answer in _answers(processes, {}):
            sys.stdout.buffer.write(to_json(answer) + b"\n")
            sys.stdout.buffer.flush()
    finally:
        processes.close()


def _stay_on(cores: list[int], processes: LoadProcesses) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores if processes.count == 1 else (cores[processes.rank % len(cores)],))


def _answers(processes: LoadProcesses, loads: dict[int, ResidentLoad]) -> Iterator[LoadAnswer]:
    """Yield the answer to each request; the requests of rank 0 are handled by all processes."""
    while line := processes.from_first(sys.stdin.buffer.readline() if processes.rank == 0 else b""):
        request: SliceMessage = from_json(line, SliceMessage)  # type: ignore[arg-type]
        before_s = stood_still_s()
        try:
            answer = processes.together(partial(_handle, request, processes, loads))
        except Violation as error:
            answer = LoadAnswer(violation=str(error))
        except Inconclusive as error:
            answer = LoadAnswer(hindrance=str(error))
        longest_s = max(processes.gather(stood_still_s() - before_s))
        yield msgspec.structs.replace(answer, stood_still_s=longest_s)


def _handle(request: SliceMessage, processes: LoadProcesses, loads: dict[int, ResidentLoad]) -> LoadAnswer:
    with own_faults():
        return _act(request, processes, loads)


def _act(request: SliceMessage, processes: LoadProcesses, loads: dict[int, ResidentLoad]) -> LoadAnswer:
    if isinstance(request, OpenServer):
        figures, loads[request.entry] = _open(request, processes)
        loads[request.entry].pause()
        return LoadAnswer(figures=figures)
    load = loads[request.entry]
    load.resume()
    if isinstance(request, CloseServer):
        del loads[request.entry]
        load.finish()
        return LoadAnswer()
    try:
        if KINDS[request.kind].in_flight:
            return LoadAnswer(figures=load.flood(request.kind, request.seconds))
        figures, histogram = load.paced(request.kind, request.warm_up_s, request.seconds)
        return LoadAnswer(figures=figures, histogram=histogram)
    finally:
        load.pause()


def _open(request: OpenServer, processes: LoadProcesses) -> tuple[dict[str, float], ResidentLoad]:
    reference = plugins.references()[request.reference] if request.reference else None
    codec = reference.codec if reference else plugins.specs()[request.spec].codec
    clients = Clients(Address.parse(request.address), codec, as_arriving=request.is_relay, processes=processes)
    figures = {}
    if request.idle_clients:
        empty = resources.usage(request.server_pid).rss_bytes
        clients.connect(request.idle_clients)
        clients.join(together=False)
        full = resources.usage(request.server_pid).rss_bytes
        each = (full - empty) / request.idle_clients
        figures = {"rss_empty_bytes": float(empty), "rss_idle_bytes": float(full), "rss_per_client_bytes": each}
        clients.disconnect_from(request.clients)
    else:
        clients.connect(request.clients)
    clients.join()
    orders_senders = not request.is_relay and (reference is None or reference.orders_senders)
    return figures, ResidentLoad(clients, request.server_pid, orders_senders=orders_senders)


if __name__ == "__main__":
    main()
