"""Cancellation takes effect at every await, and loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from impls.executor_impl.executor import (
    Broadcast,
    Cancelled,
    Channel,
    Condition,
    OneShot,
    Socket,
    TaskCancelled,
    run,
    sleep,
    spawn,
)
from impls.executor_impl.executor.scheduler import current_executor
from tests.executor.kit import pair, until_idle


async def blocked_accept() -> tuple[Awaitable[Any], Callable[[], int]]:
    listener = Socket(socket.create_server(("127.0.0.1", 0)))
    return listener.accept(), lambda: len(listener._readable._waiting)


async def blocked_recv() -> tuple[Awaitable[Any], Callable[[], int]]:
    reader, _ = pair()
    return reader.recv(1), lambda: len(reader._readable._waiting)


async def blocked_sendall() -> tuple[Awaitable[Any], Callable[[], int]]:
    writer, _ = pair()
    return writer.sendall(bytes(1 << 24)), lambda: len(writer._writable._waiting)


async def blocked_connect() -> tuple[Awaitable[Any], Callable[[], int]]:
    # Nothing accepts, and the queue is full: the kernel no longer answers.
    listener = Socket(socket.create_server(("127.0.0.1", 0), backlog=0))
    sockets = [Socket(socket.socket()) for _ in range(4)]
    for unconnected in sockets:
        await until_idle(spawn(unconnected.connect(listener.raw.getsockname())))
    return sockets[-1].connect(listener.raw.getsockname()), lambda: len(sockets[-1]._writable._waiting) - 1


async def blocked_sleep() -> tuple[Awaitable[Any], Callable[[], int]]:
    timers = current_executor().timers
    return sleep(float("inf")), lambda: len(timers)


async def blocked_one_shot() -> tuple[Awaitable[Any], Callable[[], int]]:
    shot: OneShot[int] = OneShot()
    return shot.recv(), lambda: len(shot._changed._waiting)


async def blocked_channel_recv() -> tuple[Awaitable[Any], Callable[[], int]]:
    channel: Channel[int] = Channel(1)
    return channel.recv(), lambda: len(channel._not_empty._waiting)


async def blocked_channel_send() -> tuple[Awaitable[Any], Callable[[], int]]:
    channel: Channel[int] = Channel(1)
    channel.send_now(1)
    return channel.send(2), lambda: len(channel._not_full._waiting)


async def blocked_broadcast() -> tuple[Awaitable[Any], Callable[[], int]]:
    channel: Broadcast[int] = Broadcast(1)
    return channel.subscribe().recv(), lambda: len(channel._changed._waiting)


async def blocked_join() -> tuple[Awaitable[Any], Callable[[], int]]:
    task = spawn(sleep(1000))
    await until_idle(task)
    return task.join(), lambda: len(task._ended._waiting)


@pytest.mark.parametrize(
    "blocked",
    [
        blocked_accept,
        blocked_recv,
        blocked_sendall,
        blocked_connect,
        blocked_sleep,
        blocked_one_shot,
        blocked_channel_recv,
        blocked_channel_send,
        blocked_broadcast,
        blocked_join,
    ],
    ids=lambda blocked: blocked.__name__.removeprefix("blocked_"),
)
def test_cancellation_is_seen_at_every_await(
    blocked: Callable[[], Coroutine[Any, Any, tuple[Awaitable[Any], Callable[[], int]]]],
) -> None:
    """It is raised where the task waits, and afterwards no waiting list contains the task."""
    cancelled: list[bool] = []

    async def waits(awaitable: Awaitable[Any]) -> None:
        try:
            await awaitable
        except Cancelled:
            cancelled.append(True)
            raise

    async def main() -> None:
        awaitable, waiting = await blocked()
        task = spawn(waits(awaitable))
        await until_idle(task)
        assert waiting() == 1
        task.cancel()
        with pytest.raises(TaskCancelled):
            await task.join()
        assert cancelled == [True]
        assert waiting() == 0

    run(main())


def test_a_task_can_be_cancelled_before_it_starts_and_after_it_ended() -> None:
    async def returns(number: int) -> int:
        return number

    async def main() -> None:
        early = spawn(returns(1))
        early.cancel()
        with pytest.raises(TaskCancelled):
            await early.join()
        late = spawn(returns(2))
        assert await late.join() == 2
        late.cancel()
        assert await late.join() == 2

    run(main())


def test_a_task_that_catches_its_cancellation_goes_on_and_can_be_cancelled_again() -> None:
    caught: list[int] = []

    async def stubborn() -> None:
        for number in range(2):
            try:
                await sleep(1000)
            except Cancelled:
                caught.append(number)
        await sleep(1000)

    async def main() -> None:
        task = spawn(stubborn())
        for _ in range(3):
            await until_idle(task)
            task.cancel()
        with pytest.raises(TaskCancelled):
            await task.join()

    run(main())
    assert caught == [0, 1]


def test_a_wake_up_of_a_task_that_is_cancelled_goes_to_the_next() -> None:
    """Two tasks wait; the first is notified, and cancelled before it runs; the value goes to the second."""

    async def main() -> None:
        channel: Channel[str] = Channel(1)
        first = spawn(channel.recv())
        await until_idle(first)
        second = spawn(channel.recv())
        await until_idle(second)
        channel.send_now("news")
        first.cancel()
        assert await second.join() == "news"
        with pytest.raises(TaskCancelled):
            await first.join()

    run(main())


def test_a_task_woken_without_a_notification_leaves_the_waiting_list() -> None:
    """Otherwise the next notification would go to a task that now waits for something else."""
    done: OneShot[None] = OneShot()

    async def glances(news: Condition) -> None:
        with news:
            await news.wait()
        await done.recv()

    async def main() -> None:
        news = Condition()
        first = spawn(glances(news))
        await until_idle(first)
        first.wake()
        second = spawn(glances(news))
        await until_idle(first)
        await until_idle(second)
        with news:
            assert list(news._waiting) == [second]
            news.notify()
        done.send(None)
        await second.join()

    run(main())
