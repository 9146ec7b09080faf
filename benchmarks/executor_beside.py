"""The same three programs on asyncio and on the executor, for `benchmarks/executor.py`.

yields  a hundred tasks that yield to each other, again and again
queue   one task sends numbers to another through a queue of ten
echo    fifty pairs of tasks with a socket between the two of each: a question, its answer, the next question

`count` is the total number of yields, of numbers, or of questions.
"""

from __future__ import annotations

import asyncio
import socket

from impls.executor_impl.executor import Channel, Socket, spawn, yield_now


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


# For each program: that on asyncio, that on the executor, and its count.
BESIDE = {
    "yields": (their_yields, our_yields, 1_000_000),
    "queue": (their_queue, our_queue, 300_000),
    "echo": (their_echo, our_echo, 100_000),
}
