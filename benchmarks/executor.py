"""What the executor of impls/executor_impl can sustain, and what it costs compared with asyncio.

    python -m benchmarks.executor                    everything: ten million wake-ups, 100,000 tasks, 10,000 connections
    python -m benchmarks.executor --quick            a hundredth of it, to see that it works
    python -m benchmarks.executor wakes idle         some of it

wakes        pairs of tasks that wake each other in turn, on 1, 2 and 4 workers: no wake-up may be lost
tasks        so many tasks that sleep at once, and the memory of each
connections  so many connections, each of which echoes one message, all open at once
idle         processor time of two seconds with tasks that wait for a socket, a channel and a timer
beside       the same three programs on asyncio and on 1, 2 and 4 workers, in short interleaved slices (see
             `benchmarks/executor_beside.py`): ratios with intervals

It prints Markdown tables. The first four are measured once, one after the other: their times are no comparison. Each
runs in a process of its own, and its clients in another. Where `ulimit -Hn` is below 10,100, there are as many
connections as it allows. All of it takes about eight minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any

from benchmarks.executor_beside import compare
from benchmarks.interleaved import Size, add_size, size_of
from benchmarks.programs import describe_machine
from impls.executor_impl.executor import Channel, Condition, Socket, run, sleep, spawn, yield_now

FULL, QUICK = Size(blocks=12, rounds=12), Size(blocks=6, rounds=4)
QUICK_SCALE = 100
IDLE_S = 2.0
HOST = "127.0.0.1"


def cost(coroutine: Coroutine[Any, Any, Any], workers: int) -> dict[str, float]:
    """Run a coroutine; return its wall-clock and processor time in s, and the memory it added at its peak, in bytes."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, busy = time.perf_counter(), time.process_time()
    run(coroutine, workers=workers)
    return {
        "wall": time.perf_counter() - wall,
        "busy": time.process_time() - busy,
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024,
    }


# Trials of the executor alone


async def wakes(count: int) -> None:
    """Let 50 pairs of tasks pass a token to and fro; a task that has passed it sleeps until the other one wakes it.

    A lost wake-up stops its pair, and the trial, for ever.
    """
    turns = count // 100

    async def player(mine: list[int], woken: Condition, yours: list[int], other: Condition) -> int:
        passed = 0
        while passed < turns:
            with woken:
                while not mine:
                    await woken.wait()
                token = mine.pop()
            passed += 1
            with other:
                yours.append(token)
                other.notify()
        return passed

    players = []
    for token in range(50):
        boxes, conditions = ([token], list[int]()), (Condition(), Condition())
        players += [spawn(player(boxes[n], conditions[n], boxes[1 - n], conditions[1 - n])) for n in (0, 1)]
    passed = sum([await task.join() for task in players])
    assert passed == turns * 100, f"{turns * 100 - passed} wake-ups are missing"


async def tasks(count: int) -> None:
    """Let so many tasks sleep at once, and cancel all but one in a hundred of them."""
    started = 0

    async def sleeper() -> None:
        nonlocal started
        started += 1
        await sleep(3600)

    sleepers = [spawn(sleeper()) for _ in range(count)]
    while started < count:
        await yield_now()
    for number, task in enumerate(sleepers):
        if number % 100:
            task.cancel()  # the others end with the main task


async def connections(count: int) -> None:
    """Accept so many connections and echo one message on each; all stay open until the last echo has arrived.

    The clients are in another process, since the limit of descriptors may allow one end of each connection, not both.
    """
    listener = socket.create_server((HOST, 0), backlog=1024)
    ended, theirs = socket.socketpair()

    async def echo(connection: Socket) -> None:
        await connection.sendall(await connection.recv(100))

    async def accept(listener: Socket) -> None:
        while True:
            spawn(echo((await listener.accept())[0]))

    spawn(accept(Socket(listener)))
    command = [sys.executable, "-m", "benchmarks.executor", "--clients", str(listener.getsockname()[1]), str(count)]
    with theirs:
        others = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: ASYNC220 - short, and no task waits
    await Socket(ended).recv(1)  # when the other process ends, its side is closed
    assert others.wait() == 0


async def clients(port: int, count: int) -> None:
    """In the other process: open so many connections, and receive on each the number that was sent there."""
    places: Channel[None] = Channel(500)  # connection attempts at a time: fewer than the backlog
    echoed = Channel[bytes](count)

    async def client(number: int) -> None:
        connection = Socket(socket.socket())
        await connection.connect((HOST, port))
        await connection.sendall(b"%d" % number)
        echoed.send_now(await connection.recv(100))
        await places.recv()
        await sleep(3600)

    for number in range(count):
        await places.send(None)
        spawn(client(number))
    received = {int(await echoed.recv()) for _ in range(count)}
    assert received == set(range(count))


async def idle(_: int) -> None:
    """Wait with three tasks, for a socket, a channel and a timer."""
    ours, other = socket.socketpair()
    with ours, other:
        spawn(Socket(other).recv(1))
        spawn(Channel[int](1).recv())
        await sleep(IDLE_S)


TRIALS = {
    "wakes": wakes,
    "tasks": tasks,
    "connections": connections,
    "idle": idle,
}
COUNTS = {"wakes": 10_000_000, "tasks": 100_000, "connections": 10_000, "idle": 1}


def measure(trial: str, count: int, workers: int) -> dict[str, float]:
    """Run one trial in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.executor", "--trial", trial, str(count), str(workers)]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


def run_trial(trial: str, count: int, workers: int) -> None:
    """Run one trial in this process, and print its cost as JSON."""
    print(json.dumps(cost(TRIALS[trial](count), workers)))


def row(*cells: str) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def heading(*names: str) -> None:
    """Print a blank line and the heading of a Markdown table."""
    print()
    row(*names)
    print(f"|{'---|' * len(names)}")


def alone(trial: str, scale: int) -> None:
    """Run a trial of the executor alone, with each number of workers."""
    count = max(1, COUNTS[trial] // scale)
    if trial == "connections":
        count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    for workers in (1, 2, 4):
        costs = measure(trial, count, workers)
        each = [f"{costs['busy'] / count * 1e6:.1f}", f"{costs['memory'] / count:,.0f}"]
        if trial == "idle":
            each = ["", ""]
        share = f"{costs['busy'] / costs['wall']:.1%}"
        row(trial, str(workers), f"{count:,}", f"{costs['wall']:.2f}", f"{costs['busy']:.2f}", share, *each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", metavar="TRIAL")
    parser.add_argument(
        "--scale", type=int, help=f"divide all counts by SCALE; by default 1, or {QUICK_SCALE} if quick"
    )
    add_size(parser)
    parser.add_argument("--trial", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--clients", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.clients:
        run(clients(*options.clients))
        return
    if options.trial:
        run_trial(options.trial[0], int(options.trial[1]), int(options.trial[2]))
        return
    if wrong := set(options.trials) - {*TRIALS, "beside"}:
        parser.error(f"no such trial: {', '.join(sorted(wrong))}")
    chosen = options.trials or [*TRIALS, "beside"]
    if own := [trial for trial in chosen if trial != "beside"]:
        heading("trial", "workers", "count", "s", "processor s", "of a core", "processor µs each", "bytes each")
        for trial in own:
            alone(trial, options.scale or (QUICK_SCALE if options.quick else 1))
    if "beside" in chosen:
        size = size_of(options, FULL, QUICK)
        print("\nTime of each yield, number or question:\n")
        compare(size)
        print(f"\n{size.describe(describe_machine())}")


if __name__ == "__main__":
    main()
