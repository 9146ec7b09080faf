"""The same three programs on asyncio and on the executor, compared for `benchmarks/executor.py`.

    python -m benchmarks.executor_beside WORKERS    what `benchmarks.executor` runs: 0 for asyncio

yields  a hundred tasks that yield to each other, again and again
queue   one task sends numbers to another through a queue of ten
echo    fifty pairs of tasks with a socket between the two of each: a question, its answer, the next question

`count` is the total number of yields, of numbers, or of questions. asyncio and the executor with 1, 2 and 4 workers
are processes that take turns in short slices (see `benchmarks/interleaved.py`). A slice is one run of a program,
without the start and the end of the event loop.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio

from benchmarks.interleaved import Alternative, Size, measure, module, print_ratios, serve
from impls.executor_impl.executor import Channel, Socket, run, spawn, yield_now


async def our_yields(count: int) -> None:
    async def player() -> None:
        for _ in range(count // 100):
            await yield_now()

    for task in [spawn(player()) for _ in range(100)]:
        await task.join()


async def their_yields(count: int) -> None:
    async def player() -> None:
        for _ in range(count // 100):
            await asyncio.sleep(0)

    await asyncio.gather(*[player() for _ in range(100)])


async def our_queue(count: int) -> None:
    channel: Channel[int] = Channel(10)

    async def produce() -> None:
        for number in range(count):
            await channel.send(number)

    producer = spawn(produce())
    for _ in range(count):
        await channel.recv()
    await producer.join()


async def their_queue(count: int) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(10)

    async def produce() -> None:
        for number in range(count):
            await queue.put(number)

    producer = asyncio.create_task(produce())
    for _ in range(count):
        await queue.get()
    await producer


async def our_echo(count: int) -> None:
    async def echo(connection: Socket) -> None:
        while data := await connection.recv(100):
            await connection.sendall(data)

    async def ask(connection: Socket) -> None:
        for _ in range(count // 50):
            await connection.sendall(b"hello")
            await connection.recv(100)

    asking = []
    for _ in range(50):
        ours, other = socket.socketpair()
        spawn(echo(Socket(other)))
        asking.append(spawn(ask(Socket(ours))))
    for task in asking:
        await task.join()


async def their_echo(count: int) -> None:
    loop = asyncio.get_running_loop()

    async def echo(connection: socket.socket) -> None:
        while data := await loop.sock_recv(connection, 100):
            await loop.sock_sendall(connection, data)
        connection.close()

    async def ask(connection: socket.socket) -> None:
        for _ in range(count // 50):
            await loop.sock_sendall(connection, b"hello")
            await loop.sock_recv(connection, 100)
        connection.close()

    running = []
    for _ in range(50):
        ours, other = socket.socketpair()
        ours.setblocking(False)
        other.setblocking(False)
        running += [echo(other), ask(ours)]
    await asyncio.gather(*running)


# For each program: that on asyncio, that on the executor, and its count in a slice.
PROGRAMS = {
    "yields": (their_yields, our_yields, 10_000),
    "queue": (their_queue, our_queue, 10_000),
    "echo": (their_echo, our_echo, 1_000),
}
WORKERS = {"asyncio": 0, "1 worker": 1, "2 workers": 2, "4 workers": 4}
TIME, PROCESSOR_TIME = "time", "processor time"


def slice_of(workers: int) -> Callable[[str], dict[str, float]]:
    """Return what runs a program on asyncio (0 workers) or on the executor, and returns its figures."""

    def run_slice(program: str) -> dict[str, float]:
        theirs, ours, count = PROGRAMS[program]
        body = (ours if workers else theirs)(count)
        taken: list[float] = []

        async def timed() -> None:
            began, busy = time.perf_counter(), time.process_time()
            await body
            taken.extend((time.perf_counter() - began, time.process_time() - busy))

        coroutine: Coroutine[Any, Any, None] = timed()
        if workers:
            run(coroutine, workers=workers)
        else:
            asyncio.run(coroutine)
        return {f"{program}, {TIME}": taken[0] / count, f"{program}, {PROCESSOR_TIME}": taken[1] / count}

    return run_slice


def compare(size: Size) -> None:
    """Measure all programs, and print a table."""
    alternatives = [
        Alternative(name, tuple(PROGRAMS), partial(module, "benchmarks.executor_beside", str(workers)))
        for name, workers in WORKERS.items()
    ]
    table = anyio.run(measure, alternatives, size.blocks, size.rounds)
    figures = [f"{program}, {measured}" for program in PROGRAMS for measured in (TIME, PROCESSOR_TIME)]
    print_ratios(table, list(WORKERS), dict.fromkeys(figures, ("µs each", 1e-6)))


if __name__ == "__main__":
    serve(slice_of(int(sys.argv[1])))
