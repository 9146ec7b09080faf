"""How far a load over several machines, and a run over a cluster, reach: a simulation from measured costs.

    python -m benchmarks.cluster_scale                             the tables, from the costs below
    python -m benchmarks.cluster_scale --clients 100000 --machines 100
    python -m benchmarks.cluster_scale --set server_delivery_s=2e-8,memory_bytes=6.4e10
    python -m benchmarks.cluster_scale --measure                   measure the costs here first, in a minute

Nothing here was ever run with a million clients. The costs of single steps were measured on one machine, with a few
clients and processes, and are added up as the code does these steps: `harness bench --cluster` for the load,
`harness run --cluster` for the run. `Assumed` says what is assumed about machines that we do not have.

A limit is what is needed and what there is. The number of clients grows with that of machines, and the first limit is
the one that is reached with the fewest.
"""

from __future__ import annotations

import argparse
import heapq
import math
import pickle
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from harness.load.clients.join import JOIN_S
from harness.load.load import QUIET_S


@dataclass(frozen=True)
class Costs:
    """What a step costs, in seconds of one processor core or in bytes; see `measure` for how each is measured.

    The defaults were measured with the server `selectors` on two cores (AMD EPYC, Linux 6.18), by a process that had
    only what other work left of them: processor time is right, and starts and calls took longer than they need.

    A delivery is one at a low rate, where each message is a system call for each client. Under a flood, where many
    messages go into one, it costs a fiftieth.
    """

    server_delivery_s: float = 7.0e-6
    server_connect_s: float = 26e-6
    server_client_bytes: float = 1250
    load_delivery_s: float = 4.1e-6
    load_client_bytes: float = 850
    share_start_s: float = 0.74
    handshake_s: float = 0.33e-3
    gather_process_s: float = 20e-6
    gather_value_s: float = 70e-9
    gather_value_bytes: float = 21
    hash_message_s: float = 8.6e-9
    scheduler_call_s: float = 28e-3
    client_block_s: float = 0.038


@dataclass(frozen=True)
class Assumed:
    """What is assumed about machines, the network between them, and what is done with them.

    Attributes:
        processes: of the load on each machine.
        memory_bytes: of each machine; a fifth of it stays free.
        kernel_client_bytes: of the kernel, for the two ends of an idle connection, on each machine its end.
        descriptors: that a process may have.
        ports: outgoing connections from one address to the server's (net.ipv4.ip_local_port_range).
        network_bytes_s: what a machine can send or receive.
        frame_bytes: of a message on the wire, with headers and without company in its segment.
        round_trip_s: between two machines.
        messages_per_s: in the room.
        seconds: for how long.
        block_s: how long a block of a run takes.
        block_spread: the standard deviation of that, as a share.
        blocks: how many blocks a run of three specs has (`--profile quick`: a first pass of 8, and 12).
    """

    processes: float = 4
    memory_bytes: float = 16 * 2**30
    kernel_client_bytes: float = 4000
    descriptors: float = 1_048_576
    ports: float = 28_232
    network_bytes_s: float = 1.25e9
    frame_bytes: float = 110
    round_trip_s: float = 200e-6
    messages_per_s: float = 1
    seconds: float = 10
    block_s: float = 60
    block_spread: float = 0.1
    blocks: float = 60


@dataclass(frozen=True)
class Limit:
    """Something of which there is not enough at some scale.

    Attributes:
        name: what it is.
        unit: of both numbers.
        needed: for so many clients and machines.
        available: how much there is.
        remedy: what would move it.
    """

    name: str
    unit: str
    needed: Callable[[float, float], float]
    available: float
    remedy: str


def gather_s(costs: Costs, assumed: Assumed, processes: float) -> float:
    """Return how long rank 0 needs for one exchange: it receives a value from each process, and sends all to each."""
    return assumed.round_trip_s + processes * (costs.gather_process_s + processes * costs.gather_value_s)


def processes_of(assumed: Assumed, machines: float) -> float:
    """Return how many processes make the load: the server has one of the machines."""
    return max(1.0, (machines - 1) * assumed.processes)


def start_s(costs: Costs, assumed: Assumed, machines: float) -> float:
    """Return how long it takes until rank 0 is connected to all processes."""
    processes = processes_of(assumed, machines)
    handshakes = processes * (costs.handshake_s + 3 * assumed.round_trip_s)
    return 2 * machines * costs.scheduler_call_s + costs.share_start_s + handshakes


def limits(costs: Costs, assumed: Assumed) -> list[Limit]:
    """Return the limits of one load with all its clients in one room."""
    rate = assumed.messages_per_s

    def own(clients: float, machines: float) -> float:
        return clients / max(1.0, machines - 1)

    return [
        Limit(
            "the server's processor: deliveries of a second",
            "s of a core",
            lambda clients, _: clients * rate * costs.server_delivery_s,
            1.0,
            "a server that uses several cores; fewer messages",
        ),
        Limit(
            "the server's network",
            "GB/s",
            lambda clients, _: clients * rate * assumed.frame_bytes / 1e9,
            assumed.network_bytes_s / 1e9,
            "a faster interface; fewer messages",
        ),
        Limit(
            "the server's memory",
            "GB",
            lambda clients, _: clients * (costs.server_client_bytes + assumed.kernel_client_bytes) / 1e9,
            0.8 * assumed.memory_bytes / 1e9,
            "more memory",
        ),
        Limit("the server's descriptors", "", lambda clients, _: clients + 1024, assumed.descriptors, "fs.nr_open"),
        Limit(
            "all receive a first message in time",
            "s",
            lambda clients, machines: (
                2 * clients * costs.server_delivery_s + 2 * gather_s(costs, assumed, processes_of(assumed, machines))
            ),
            JOIN_S,
            "",
        ),
        Limit(
            "ports of a machine of the load",
            "",
            own,
            assumed.ports,
            "several addresses on each machine; more machines",
        ),
        Limit(
            "memory of a machine of the load",
            "GB",
            lambda clients, machines: (
                own(clients, machines) * (costs.load_client_bytes + assumed.kernel_client_bytes) / 1e9
            ),
            0.8 * assumed.memory_bytes / 1e9,
            "more machines",
        ),
        Limit(
            "processor of a process of the load",
            "s of a core",
            lambda clients, machines: clients / processes_of(assumed, machines) * rate * costs.load_delivery_s,
            0.95,
            "more machines",
        ),
        Limit(
            "one exchange of all processes, within the pause that ends a load",
            "s",
            lambda _, machines: gather_s(costs, assumed, processes_of(assumed, machines)),
            QUIET_S,
            "one process of each machine exchanges for all of them; rank 0 adds up instead of sending all to all",
        ),
        Limit(
            "memory of rank 0 for an exchange",
            "GB",
            lambda _, machines: processes_of(assumed, machines) ** 2 * costs.gather_value_bytes / 1e9,
            0.8 * assumed.memory_bytes / 1e9,
            "the same",
        ),
        Limit(
            "start of all processes, before they give up",
            "s",
            lambda _, machines: start_s(costs, assumed, machines),
            120.0,
            "rank 0 connects to several at a time",
        ),
    ]


def reached_at(limit: Limit, clients_each: float, most: float) -> float:
    """Return with how many machines a limit is reached, each with so many clients; infinity beyond `most`."""
    low, high = 2.0, most
    if limit.needed(clients_each * high, high) <= limit.available:
        return math.inf
    if limit.needed(clients_each * low, low) > limit.available:
        return low
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        if limit.needed(clients_each * middle, middle) > limit.available:
            high = middle
        else:
            low = middle
    return high


def print_limits(costs: Costs, assumed: Assumed, clients: float, machines: float) -> None:
    """Print the limits of a load, the first one reached first."""
    clients_each, most = clients / machines, 1000 * machines
    reached = [(reached_at(limit, clients_each, most), limit) for limit in limits(costs, assumed)]
    print(f"\nOne load: {clients:,.0f} clients, {machines:,.0f} machines ({clients_each:,.0f} clients for each).\n")
    print("| limit | needed | there is | used | reached with | then |\n|---|--:|--:|--:|--:|---|")
    for at, limit in sorted(reached, key=lambda each: each[0]):
        needed = limit.needed(clients, machines)
        share = f"**{needed / limit.available:.0%}**" if needed > limit.available else f"{needed / limit.available:.0%}"
        with_ = "—" if math.isinf(at) else f"{at * clients_each:,.0f} clients, {at:,.0f} machines"
        numbers = f"{needed:,.3g} {limit.unit} | {limit.available:,.3g} {limit.unit}"
        print(f"| {limit.name} | {numbers} | {share} | {with_} | {limit.remedy} |")
    first = min(reached, key=lambda each: each[0])
    if math.isfinite(first[0]):
        print(
            f"\nThe first limit: {first[1].name}, "
            f"with {first[0] * clients_each:,.0f} clients on {first[0]:,.0f} machines."
        )


def print_phases(costs: Costs, assumed: Assumed) -> None:
    """Print how long the parts of a load take as it grows."""
    print("\nHow long one load takes, in s.\n")
    print("| clients | machines | start | connect | join | load | one exchange | hashes |\n" + "|--:" * 8 + "|")
    for clients, machines in ((1e3, 2), (1e4, 10), (1e5, 100), (1e6, 1000)):
        exchange = gather_s(costs, assumed, processes_of(assumed, machines))
        messages = assumed.messages_per_s * assumed.seconds
        values = (
            start_s(costs, assumed, machines),
            clients * costs.server_connect_s,
            2 * (clients * costs.server_delivery_s + exchange),
            assumed.seconds * max(1.0, clients * assumed.messages_per_s * costs.server_delivery_s),
            exchange,
            messages * costs.hash_message_s + 2 * exchange,
        )
        print(f"| {clients:,.0f} | {machines:,.0f} | {' | '.join(f'{value:.3g}' for value in values)} |")


@dataclass(frozen=True)
class Simulated:
    """What came of a simulated run.

    Attributes:
        seconds: until the last block had ended.
        busy_share: of the time of all machines.
        client_share: of its time in which the client decided, sent and wrote.
    """

    seconds: float
    busy_share: float
    client_share: float


def simulate_run(costs: Costs, assumed: Assumed, machines: int, blocks: int, seed: int = 1) -> Simulated:
    """Simulate a run event by event: the client serves one machine at a time, and each then has a block for a while.

    Args:
        costs: of the steps.
        assumed: how long blocks take.
        machines: how many there are.
        blocks: how many blocks the run has.
        seed: of the lengths of the blocks.
    """
    chance = random.Random(seed)
    free = [0.0] * machines  # when each machine has ended what it did
    client_s = block_sum_s = end_s = 0.0
    for _ in range(blocks):
        asks_s = heapq.heappop(free)
        client_s = max(client_s, asks_s) + costs.client_block_s
        length_s = max(1.0, chance.gauss(assumed.block_s, assumed.block_spread * assumed.block_s))
        begins_s = client_s + costs.scheduler_call_s + assumed.round_trip_s
        heapq.heappush(free, begins_s + length_s)
        block_sum_s, end_s = block_sum_s + length_s, max(end_s, begins_s + length_s)
    return Simulated(end_s, block_sum_s / (machines * end_s), blocks * costs.client_block_s / end_s)


def print_runs(costs: Costs, assumed: Assumed) -> None:
    """Print how a run with its planned blocks, and one with many more, uses machines."""
    print(f"\nA run over machines, blocks of {assumed.block_s:g} s; simulated event by event.\n")
    print("| blocks | machines | takes | machines busy | client busy |\n|--:|--:|--:|--:|--:|")
    for each in (int(assumed.blocks), None):
        for machines in (1, 10, 100, 1000):
            blocks = each or 20 * machines
            found = simulate_run(costs, assumed, machines, blocks)
            row = f"{found.seconds / 60:,.3g} min | {found.busy_share:.0%} | {found.client_share:.1%}"
            print(f"| {blocks:,} | {machines:,} | {row} |")
    served = assumed.block_s / costs.client_block_s
    print(
        f"\nA machine beyond the {assumed.blocks:.0f} planned blocks has nothing to do (`--for` adds blocks); "
        f"the client serves {served:,.0f} machines before it is the limit."
    )


# --- measurements


def measure(server_name: str) -> Costs:
    """Measure the costs on this machine; those in processor time hardly depend on what else it does."""
    found: dict[str, float] = {}
    parts: Sequence[Callable[[], dict[str, float]]]
    parts = (partial(_of_trials, server_name), _of_shares, _of_exchanges, _of_client, _of_scheduler)
    for part in parts:
        found |= part()
        print(f"measured: {', '.join(f'{name} {value:.3g}' for name, value in found.items())}", file=sys.stderr)
    return replace(Costs(), **found)


def _of_trials(server_name: str) -> dict[str, float]:
    """Return what a server and a load of this machine cost, from three trials."""
    import anyio

    from harness import plugins
    from harness.league.messages import TrialRequest
    from harness.league.trial import run_trial, split_cores
    from harness.model import TrialPlan

    server = next(each for each in plugins.implementations() if each.key == server_name)
    figures = {}
    for workload, changes in (("paced", {"seconds": 4.0}), ("idle", {}), ("storm", {})):
        profiles = plugins.workloads()[workload].profiles
        parameters = {**profiles.get("quick", profiles.get("full", {})), **changes}
        plan = TrialPlan(
            block=0, implementation=server.name, spec=server.spec, workload=workload, parameters=parameters
        )
        result = anyio.run(run_trial, TrialRequest(plan, server), split_cores())
        if result.did_not_finish:
            raise SystemExit(f"{workload}: {result.did_not_finish}")
        figures[workload] = result.figures
    paced, idle, storm = figures["paced"], figures["idle"], figures["storm"]
    deliveries_per_s = paced["offered_per_s"] * paced["sent_share"] * paced["clients"]
    return {
        "server_delivery_s": paced["server_cpu_share"] / deliveries_per_s,
        "load_delivery_s": paced["generator_cpu_share"] / deliveries_per_s,
        "server_client_bytes": idle["rss_per_client_bytes"],
        "server_connect_s": storm["server_cpu_share"] / storm["connections_per_s"],
        "load_client_bytes": max(
            0.0,
            (storm["generator_rss_bytes"] - idle["generator_rss_bytes"]) / max(1.0, storm["clients"] - idle["clients"]),
        ),
    }


def _of_shares() -> dict[str, float]:
    """Return how long a process of the load takes to start, and rank 0 to connect to it."""
    from harness.load.remote import ShareListener, connect_shares
    from harness.processes.held import HeldProcess
    from harness.processes.workers import PYTHON

    key, begun = b"k" * 32, time.monotonic()
    share = HeldProcess([*PYTHON, "harness.load", "127.0.0.1"])
    share.send(key.hex())
    share.receive()
    started_s = time.monotonic() - begun
    share.end()
    times = []
    for _ in range(20):
        listener = ShareListener("127.0.0.1")

        def accept(listener: ShareListener = listener) -> None:
            listener.accept(key, 30)[0].close()

        thread = threading.Thread(target=accept)
        thread.start()
        begun = time.monotonic()
        processes = connect_shares([str(listener.address)], key)
        processes.start("request")
        times.append(time.monotonic() - begun)
        thread.join()
        processes.close()
    return {"share_start_s": started_s, "handshake_s": sorted(times)[len(times) // 2]}


def _of_exchanges() -> dict[str, float]:
    """Return what rank 0 pays for a process in an exchange, and for each value in its reply to it; and for a hash."""
    import hashlib

    ours, theirs = (Connection(end.detach()) for end in socket.socketpair())
    count, few, many = 2000, 1, 400
    values = [(False, 12.5 + number, 0.25 * number) for number in range(many)]  # what a load exchanges most often

    def reply_s(size: int) -> float:
        reply = values[:size]
        begun = time.process_time()
        for _ in range(count):
            theirs.send(values[0])
            ours.recv()
            ours.send(reply)
        used_s = (time.process_time() - begun) / count
        return used_s

    def drain() -> None:
        for _ in range(count):
            theirs.recv_bytes()

    used = {}
    for size in (few, many):
        thread = threading.Thread(target=drain)
        thread.start()
        used[size] = reply_s(size)
        thread.join()
    slope_s = max(0.0, (used[many] - used[few]) / (many - few))
    data, begun = b"x" * (64 << 20), time.process_time()
    hashlib.blake2b(data).digest()
    return {
        "gather_process_s": used[few],
        "gather_value_s": slope_s,
        "gather_value_bytes": len(pickle.dumps(values)) / many,
        "hash_message_s": 8 * (time.process_time() - begun) / len(data),
    }


def _of_client() -> dict[str, float]:
    """Return what the client of a run pays for a block of sixty servers: to decide, to read and to write it."""
    from harness.blocks import BlockResult
    from harness.league.profiles import PROFILES
    from harness.league.schedule import Design, Schedule
    from harness.records import from_json, to_json
    from tests.simulated_runs import run_of

    run = run_of({f"s{number}": 1e6 * (1 + number / 50) for number in range(60)}, blocks=16)
    design = Design(
        servers=run.info.implementations, controls={}, baselines={}, profile=PROFILES["quick"], seed=1, at_once=100
    )
    line = to_json(run.blocks[0])
    count, begun = 16, time.process_time()
    schedule = Schedule(design, run.blocks)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):  # the first one takes a look at all results, as after 8, 16, 32 blocks
            schedule.next_block(math.inf, is_extended=True)
            (Path(folder) / "block").write_bytes(to_json(from_json(line, BlockResult)))
    return {"client_block_s": (time.process_time() - begun) / count}


def _of_scheduler() -> dict[str, float]:
    """Return how long a task that does nothing takes through Dask's scheduler, of many one after the other."""
    from distributed import Client, LocalCluster

    count = 200
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.submit(int, 0, pure=False).result()
        begun = time.monotonic()
        for number in range(count):
            client.submit(int, number, pure=False).result()
        return {"scheduler_call_s": (time.monotonic() - begun) / count}


def those_of(record: Costs | Assumed, changes: dict[str, float]) -> dict[str, float]:
    """Return those of the changes that a record has fields for."""
    return {field.name: changes[field.name] for field in fields(record) if field.name in changes}


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=float, default=1e6)
    parser.add_argument("--machines", type=float, default=1e3)
    parser.add_argument("--measure", action="store_true", help="measure the costs on this machine")
    parser.add_argument("--server", default="broadcast/selectors", help="whose costs are measured, as SPEC/NAME")
    parser.add_argument("--set", default="", metavar="NAME=N,...", help="other costs or assumptions")
    options = parser.parse_args(arguments)
    words = [word.partition("=") for word in options.set.split(",") if word]
    try:
        changes = {name: float(value) for name, _, value in words}
    except ValueError as error:
        parser.error(f"--set: {error}")
    costs, assumed = measure(options.server) if options.measure else Costs(), Assumed()
    if unknown := changes.keys() - asdict(costs).keys() - asdict(assumed).keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    costs, assumed = replace(costs, **those_of(costs, changes)), replace(assumed, **those_of(assumed, changes))
    for title, record in (("costs", costs), ("assumed", assumed)):
        print(f"| {title} | |\n|---|--:|")
        for name, value in asdict(record).items():
            print(f"| {name.replace('_', ' ')} | {value:.4g} |")
        print()
    print_limits(costs, assumed, options.clients, options.machines)
    print_phases(costs, assumed)
    print_runs(costs, assumed)


if __name__ == "__main__":
    main(sys.argv[1:])
