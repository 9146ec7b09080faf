"""What the executor of impls/executor_impl bears, and what it costs beside asyncio.

    python benchmarks/executor.py                    everything: ten million wake-ups, 100,000 tasks, 10,000 connections
    python benchmarks/executor.py --scale 100        a hundredth of it
    python benchmarks/executor.py wakes idle         some of it

wakes        pairs of tasks that wake each other in turn, on 1, 2 and 4 workers: none of the wake-ups may be missing
tasks        so many tasks that sleep at once, and what each takes in memory
connections  so many connections of which each echoes one message, all open at once
idle         processor time of two seconds with tasks that wait for a socket, a channel and a timer
beside       the same three programs on asyncio and on 1, 2 and 4 workers, taking turns, so that a busy moment of
             the machine falls on all of them; the medians of five rounds, and the least and most of the ratios

What it prints is tables in Markdown. Each measurement is a process of its own, and its clients another. Where
`ulimit -Hn` is below 10,100, there are as many connections as it lets. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any

from executor_beside import BESIDE

from impls.executor_impl.executor import Channel, Condition, Socket, run, sleep, spawn, yield_now

ROUNDS = 5
IDLE_S = 2.0
HOST = "127.0.0.1"


def cost(coroutine: Coroutine[Any, Any, Any], workers: int) -> dict[str, float]:
    """Run it; return its seconds, its processor seconds, and the memory it added at its peak, in bytes."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, busy = time.perf_counter(), time.process_time()
    if workers:
        run(coroutine, workers=workers)
    else:
        asyncio.run(coroutine)
    return {
        "wall": time.perf_counter() - wall,
        "busy": time.process_time() - busy,
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024,
    }


# The executor's own trials


async def wakes(count: int) -> None:
    """Have 50 pairs pass a token to and fro: who has passed it sleeps until the other one wakes it.

    A wake-up that is lost stops its pair, and the trial, for ever.
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
    """Have so many tasks asleep at once, and cancel all but one in a hundred of them."""
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
            task.cancel()  # the others end when main does


async def connections(count: int) -> None:
    """Accept so many connections; on each, one message comes and goes back; all stay open until the last has it.

    The clients are another process: a limit of descriptors that bears one end of each need not bear both.
    """
    listener = socket.create_server((HOST, 0), backlog=1024)
    ended, theirs = socket.socketpair()

    async def echo(connection: Socket) -> None:
        await connection.sendall(await connection.recv(100))

    async def accept(listener: Socket) -> None:
        while True:
            spawn(echo((await listener.accept())[0]))

    spawn(accept(Socket(listener)))
    words = [sys.executable, __file__, "--clients", str(listener.getsockname()[1]), str(count)]
    with theirs:
        others = subprocess.Popen(words, pass_fds=[theirs.fileno()])  # noqa: ASYNC220 - for a moment, and nobody waits
    await Socket(ended).recv(1)  # its end closes the other side
    assert others.wait() == 0


async def clients(port: int, count: int) -> None:
    """Open so many connections, and hear on each the number that was said there; be the other process."""
    places: Channel[None] = Channel(500)  # connections that are being made at once: fewer than the backlog
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
    heard = {int(await echoed.recv()) for _ in range(count)}
    assert heard == set(range(count))


async def idle(_: int) -> None:
    """Wait with three tasks, in all the ways there are."""
    one, other = socket.socketpair()
    with one, other:
        spawn(Socket(other).recv(1))
        spawn(Channel[int](1).recv())
        await sleep(IDLE_S)


TRIALS = {
    "wakes": wakes,
    "tasks": tasks,
    "connections": connections,
    "idle": idle,
}
FULL = {"wakes": 10_000_000, "tasks": 100_000, "connections": 10_000, "idle": 1}


def measure(trial: str, count: int, workers: int) -> dict[str, float]:
    """Run one trial in a process of its own."""
    command = [sys.executable, __file__, "--one", trial, str(count), str(workers)]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


def be_one(trial: str, count: int, workers: int) -> None:
    """Be that process."""
    theirs, ours, _ = BESIDE.get(trial, (None, TRIALS.get(trial), 0))
    body = ours if workers else theirs
    assert body is not None
    print(json.dumps(cost(body(count), workers)))


def row(*cells: str) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def heading(*names: str) -> None:
    """Print the head of a Markdown table, and a blank line before it."""
    print()
    row(*names)
    print(f"|{'---|' * len(names)}")


def alone(trial: str, scale: int) -> None:
    """Run one of the executor's own trials on each number of workers."""
    count = max(1, FULL[trial] // scale)
    if trial == "connections":
        count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    for workers in (1, 2, 4):
        found = measure(trial, count, workers)
        each = [f"{found['busy'] / count * 1e6:.1f}", f"{found['memory'] / count:,.0f}"]
        if trial == "idle":
            each = ["", ""]
        share = f"{found['busy'] / found['wall']:.1%}"
        row(trial, str(workers), f"{count:,}", f"{found['wall']:.2f}", f"{found['busy']:.2f}", share, *each)


def beside(scale: int) -> None:
    """Run the same programs on asyncio and on the executor, by turns."""
    crews = {"asyncio": 0, "1 worker": 1, "2 workers": 2, "4 workers": 4}
    for trial, (_, _, full) in BESIDE.items():
        count = max(1000, full // scale)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in crews}
        for _ in range(ROUNDS):
            for name, workers in crews.items():
                found[name].append(measure(trial, count, workers))
        for name, each in found.items():
            ratios = [mine["wall"] / its["wall"] for mine, its in zip(each, found["asyncio"], strict=True)]
            wall, busy = (statistics.median(one[what] for one in each) / count * 1e6 for what in ("wall", "busy"))
            times = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            row(trial, name, f"{count:,}", f"{1e6 / wall:,.0f}", f"{wall:.2f}", f"{busy:.2f}", times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", metavar="TRIAL")
    parser.add_argument("--scale", type=int, default=1, help="the part of everything that is done, 1/SCALE")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--clients", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if given.clients:
        run(clients(*given.clients))
        return
    if given.one:
        be_one(given.one[0], int(given.one[1]), int(given.one[2]))
        return
    if wrong := set(given.trials) - {*TRIALS, "beside"}:
        parser.error(f"no such trial: {', '.join(sorted(wrong))}")
    chosen = given.trials or [*TRIALS, "beside"]
    if own := [one for one in chosen if one != "beside"]:
        heading("trial", "workers", "count", "s", "processor s", "of a core", "processor µs each", "bytes each")
        for trial in own:
            alone(trial, given.scale)
    if "beside" in chosen:
        heading("program", "on", "count", "a second", "µs each", "processor µs each", "time ÷ asyncio's")
        beside(given.scale)


if __name__ == "__main__":
    main()
