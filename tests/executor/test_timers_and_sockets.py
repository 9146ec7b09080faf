"""Timers and sockets."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest

from impls.executor_impl.executor import (
    Socket,
    run,
    sleep,
    spawn,
)
from impls.executor_impl.executor.reactor import Reactor
from impls.executor_impl.executor.task import Task
from impls.executor_impl.executor.timers import Timers
from tests.executor.kit import STUCK_S, Bench, every_crew, pair, until_idle


def test_timers_fire_in_the_order_of_their_deadlines() -> None:
    """With a simulated clock, because on a busy machine a sleep may begin late."""
    timers = Timers()
    places = list(range(20))
    random.Random(1).shuffle(places)
    tasks: dict[int, Any] = {place: object() for place in places}  # timers do not look at them
    for place in places:
        timers.add(float(place), tasks[place])
    assert timers.due(9.0) == [tasks[place] for place in range(10)]
    assert timers.next() == 10.0
    assert timers.due(100.0) == [tasks[place] for place in range(10, 20)]
    assert timers.next() is None


def test_a_sleep_ends() -> None:
    async def main() -> str:
        for task in [spawn(sleep(place / 1000)) for place in range(5)]:
            await task.join()
        return "awake"

    assert run(main()) == "awake"


def test_an_earlier_timer_wakes_the_worker_in_the_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker is in the reactor until a later deadline when the other adds an earlier one, and parks."""
    inside = threading.Event()
    poll = Reactor.poll

    def watched(self: Reactor, seconds: float | None) -> list[tuple[int, int]]:
        if seconds:
            inside.set()
        events = poll(self, seconds)
        inside.clear()
        return events

    async def main() -> None:
        monkeypatch.setattr(Reactor, "poll", watched)
        await until_idle(spawn(sleep(STUCK_S * 2)))
        inside.wait()
        await sleep(0.001)

    run(main(), workers=2)


def test_removed_timers_use_no_memory() -> None:
    async def nothing() -> None:
        pass

    task = Task(nothing(), Bench())
    timers = Timers()
    kept, first = timers.add(50.0, task)
    assert first
    for _ in range(1000):
        for deadline in (10.0, 100.0):
            timer, first = timers.add(deadline, task)
            assert first == (deadline == 10.0)
            timers.remove(timer)
            timers.remove(timer)
    assert len(timers) == 1
    assert len(timers._heap) <= 3
    assert timers.next() == 50.0
    assert timers.due(49.9) == []
    assert timers.due(50.0) == [task]
    timers.remove(kept)
    assert (len(timers), timers.next()) == (0, None)
    task.run()


@every_crew
def test_a_hundred_connections_and_a_megabyte_each_way(workers: int) -> None:
    """Accept, connect, and send more than the kernel takes at once, all at the same time."""
    message = random.Random(2).randbytes(1 << 20)

    async def echo(connection: Socket) -> None:
        with connection:
            while data := await connection.recv(1 << 16):
                await connection.sendall(data)

    async def serve(listener: Socket) -> None:
        while True:
            connection, _ = await listener.accept()
            spawn(echo(connection))

    async def client(address: tuple[str, int], data: bytes) -> None:
        with Socket(socket.socket()) as connection:
            connection.raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
            await connection.connect(address)
            sender = spawn(connection.sendall(data))
            received = b""
            while len(received) < len(data):
                received += await connection.recv(1 << 20)
            await sender.join()
            assert received == data

    async def main() -> None:
        listener = Socket(socket.create_server(("127.0.0.1", 0)))
        spawn(serve(listener))
        address = listener.raw.getsockname()
        tasks = [spawn(client(address, message if n < 3 else message[n : n + 100])) for n in range(100)]
        for task in tasks:
            await task.join()

    run(main(), workers=workers)


def test_a_connection_that_is_refused() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = closed.getsockname()
        with Socket(socket.socket()) as connection, pytest.raises(ConnectionRefusedError):
            await connection.connect(address)

    run(main())


def test_a_reset_wakes_reader_and_writer() -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        connection = Socket(socket.socket())
        await connection.connect(listener.getsockname())
        peer, _ = listener.accept()
        listener.close()
        reader, writer = spawn(connection.recv(1)), spawn(connection.sendall(bytes(1 << 24)))
        await until_idle(reader)
        await until_idle(writer)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(OSError):
            await writer.join()
        with suppress(ConnectionResetError):  # only the first of the two to try gets the reset
            assert await reader.join() == b""

    run(main())


def test_closing_a_socket_wakes_its_reader() -> None:
    async def main() -> None:
        closed, peer = pair()
        reader = spawn(closed.recv(1))
        await until_idle(reader)
        closed.close()
        closed.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await reader.join()
        assert await peer.recv(1) == b""

    run(main())
