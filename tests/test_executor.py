"""The executor: tasks and their wake-ups, stealing, the reactor, timers, sockets, channels, cancellation, the end."""

from __future__ import annotations

import ast
import faulthandler
import gc
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from impls.executor_impl import executor
from impls.executor_impl.executor import (
    Broadcast,
    Cancelled,
    Channel,
    Closed,
    Condition,
    Full,
    Lagged,
    OneShot,
    Socket,
    TaskCancelled,
    current_task,
    run,
    sleep,
    spawn,
    suspend,
    yield_now,
)
from impls.executor_impl.executor.reactor import Reactor
from impls.executor_impl.executor.scheduler import current_executor, here
from impls.executor_impl.executor.task import State, Task
from impls.executor_impl.executor.timers import Timers

T = TypeVar("T")
STUCK_S = 30  # after which a test that hangs is ended; none takes a second when all is well

every_crew = pytest.mark.parametrize("workers", [1, 2, 4])


@pytest.fixture(autouse=True)
def not_for_ever() -> Any:
    """End the test run, with all stacks, if a wake-up is lost and everybody sleeps."""
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def hurry() -> Any:
    """Let threads take turns 500 times as often as they do by themselves: what can go wrong does so sooner."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 500)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(autouse=True, scope="module")
def only_ours() -> Any:
    """Keep the collector from going through all that the other tests have imported, time and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Any:
    """Whatever a test does, its threads and its descriptors are gone when `run` returns."""
    gc.collect()  # what others have dropped is not to count
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    yield
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def until_idle(task: Task[Any]) -> None:
    """Let others run until this task waits for something."""
    while task._state is not State.IDLE:
        await yield_now()


def pair() -> tuple[Socket, Socket]:
    one, other = socket.socketpair()
    return Socket(one), Socket(other)


# Tasks


@every_crew
def test_run_returns_what_main_returns_and_join_what_a_task_returns(workers: int) -> None:
    async def double(number: int) -> int:
        await yield_now()
        return 2 * number

    async def main() -> int:
        tasks = [spawn(double(number)) for number in range(100)]
        return sum([await task.join() for task in tasks])

    assert run(main(), workers=workers) == 9900


def test_errors_go_to_who_joins() -> None:
    async def fails() -> None:
        raise LookupError("mine")

    async def main() -> None:
        task = spawn(fails())
        for _ in range(2):
            with pytest.raises(LookupError, match="mine"):
                await task.join()
        raise ArithmeticError("main's")

    with pytest.raises(ArithmeticError, match="main's"):
        run(main())


def test_an_error_that_nobody_joins_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def fails() -> None:
        raise LookupError("nobody asked")

    async def main() -> None:
        spawn(fails())
        await yield_now()

    run(main())
    assert "LookupError: nobody asked" in capsys.readouterr().err


def test_every_task_has_its_turn() -> None:
    """Two that pass the ball for ever do not keep a third one out."""
    turns: list[str] = []

    async def player(name: str) -> None:
        while True:
            turns.append(name)
            await yield_now()

    async def main() -> None:
        for name in "ab":
            spawn(player(name))
        for _ in range(100):
            await yield_now()

    run(main())
    assert 99 <= turns.count("a") <= 101
    assert 99 <= turns.count("b") <= 101


def test_outside_of_tasks_there_is_no_current_one() -> None:
    async def main() -> None:
        await yield_now()

    run(main())
    with pytest.raises(RuntimeError):
        current_task()
    with pytest.raises(RuntimeError):
        current_executor()


class Bench:
    """A scheduler that does nothing by itself, to look at one task step by step."""

    def __init__(self) -> None:
        self.queue: list[Task[Any]] = []

    def schedule(self, task: Task[Any]) -> None:
        self.queue.append(task)

    def ended(self, task: Task[Any]) -> None:
        pass


def test_wake_ups_in_every_state() -> None:
    bench = Bench()

    async def sleeper() -> None:
        await suspend()
        task.wake()  # RUNNING: it must be run again
        task.wake()  # NOTIFIED: once
        await suspend()

    task = Task(sleeper(), bench)
    task.wake()
    task.wake()  # SCHEDULED: it is queued already
    assert bench.queue == [task]
    bench.queue.pop().run()
    assert (task._state, bench.queue) == (State.IDLE, [])
    task.wake()
    bench.queue.pop().run()
    assert (task._state, bench.queue) == (State.SCHEDULED, [task])
    bench.queue.pop().run()
    assert task._state is State.DONE
    task.wake()
    assert bench.queue == []


# Wake-ups


@every_crew
def test_no_wake_up_of_200_000_is_lost(workers: int) -> None:
    """Pairs pass a token to and fro: who has passed it sleeps until the other one wakes it, or for ever."""
    pairs, turns = 10, 3_500  # with 1, 2 and 4 workers, 210,000 in all

    async def player(mine: list[int], woken: Condition, yours: list[int], other: Condition) -> tuple[int, int]:
        passed = slept = 0
        while passed < turns:
            with woken:
                while not mine:
                    slept += 1
                    await woken.wait()
                token = mine.pop()
            passed += 1
            with other:
                yours.append(token)
                other.notify()
        return passed, slept

    async def main() -> list[tuple[int, int]]:
        players = []
        for token in range(pairs):
            boxes, conditions = ([token], list[int]()), (Condition(), Condition())
            for n in (0, 1):
                players.append(spawn(player(boxes[n], conditions[n], boxes[1 - n], conditions[1 - n])))
        return [await task.join() for task in players]

    told = run(main(), workers=workers)
    assert [passed for passed, _ in told] == [turns] * 2 * pairs
    if workers == 1:  # else some look at the very moment, and need not sleep
        assert sum(slept for _, slept in told) >= 2 * pairs * (turns - 1)


@every_crew
def test_wake_ups_from_outside_reach_executors_that_sleep(workers: int) -> None:
    """A thread that is no worker sends and waits for the answer: at every turn all workers may be asleep."""
    questions: Channel[int] = Channel(1)
    answers: list[int] = []
    answered = threading.Semaphore(0)

    def ask() -> None:
        for number in range(2000):
            questions.send_now(number)
            answered.acquire()
        questions.close()

    async def main() -> None:
        with suppress(Closed):
            while True:
                answers.append(await questions.recv())
                answered.release()

    thread = threading.Thread(target=ask)
    thread.start()
    run(main(), workers=workers)
    thread.join()
    assert answers == list(range(2000))


@every_crew
def test_wake_ups_through_the_kernel(workers: int) -> None:
    """Tasks behind sockets pass bytes in a ring: every hop is an event, and edges come once."""

    async def relay(source: Socket, target: Socket, hops: int) -> int:
        heard = 0
        while heard < hops:
            data = await source.recv(1)
            heard += len(data)
            await target.sendall(data)
        return heard

    async def main() -> int:
        pairs = [pair() for _ in range(8)]
        tasks = [spawn(relay(pairs[n][1], pairs[(n + 1) % 8][0], 1000)) for n in range(8)]
        for n in (0, 2, 4):
            await pairs[n][0].sendall(b"x")
        total = sum([await task.join() for task in tasks])
        for one, other in pairs:
            one.close()
            other.close()
        return total

    assert run(main(), workers=workers) == 8000


# Workers


def test_work_is_stolen() -> None:
    """Four tasks, woken by one worker, meet at a barrier that blocks threads: it takes four workers."""
    barrier = threading.Barrier(4)

    async def blocks() -> int:
        barrier.wait()
        return threading.get_ident()

    async def main() -> set[int]:
        tasks = [spawn(blocks()) for _ in range(3)]
        barrier.wait()
        return {threading.get_ident()} | {await task.join() for task in tasks}

    assert len(run(main(), workers=4)) == 4


def test_a_worker_that_blocks_leaves_the_reactor_to_another() -> None:
    """One task has been woken by an event and blocks its thread; timers and sockets go on."""
    heard = threading.Event()

    async def blocks(source: Socket) -> None:
        await source.recv(1)
        heard.wait()

    async def frees(source: Socket) -> None:
        await source.recv(1)
        await sleep(0.001)
        heard.set()

    async def main() -> None:
        (a, b), (c, d) = pair(), pair()
        first, second = spawn(blocks(b)), spawn(frees(d))
        await until_idle(first)
        await until_idle(second)
        await a.sendall(b"x")
        while first._state is not State.RUNNING:
            await sleep(0.001)
        await c.sendall(b"x")
        await second.join()
        await first.join()

    run(main(), workers=2)


def test_who_parks_while_another_only_looks_in_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy worker looks into the reactor; meanwhile the other one finds it taken and parks; then the first blocks."""
    started, free, heard = threading.Event(), threading.Event(), threading.Event()

    async def blocks() -> None:
        started.set()
        free.wait()

    async def listen(source: Socket) -> None:
        await source.recv(1)
        heard.set()

    async def main() -> None:
        scheduler = current_executor()
        poll = Reactor.poll

        def slow(self: Reactor, seconds: float | None) -> list[tuple[int, int]]:
            free.set()
            while not scheduler._parked:
                time.sleep(0)
            return poll(self, seconds)

        one, other = pair()
        await until_idle(spawn(listen(other)))
        spawn(blocks())
        started.wait()  # on the other worker
        assert here.worker is not None
        with monkeypatch.context() as patch:
            patch.setattr(Reactor, "poll", slow)
            scheduler._visit(here.worker)  # what a busy worker does between two tasks
        one.raw.send(b"x")
        heard.wait()

    run(main(), workers=2)


def test_a_deque_that_is_never_empty_does_not_keep_the_world_out() -> None:
    """A worker that is busy for ever still takes events, timers and wake-ups from outside."""
    news: Channel[str] = Channel(3)
    heard: set[str] = set()
    thread = threading.Thread(target=news.send_now, args=("outside",))

    async def busy(main: Task[None]) -> None:
        await until_idle(main)
        thread.start()
        while len(heard) < 3:
            await yield_now()

    async def listen(source: Socket) -> None:
        heard.add((await source.recv(10)).decode())

    async def wait() -> None:
        await sleep(0.001)
        heard.add("timer")

    async def main() -> None:
        spawn(busy(current_task()))
        one, other = pair()
        spawn(listen(other))
        spawn(wait())
        await yield_now()
        await one.sendall(b"socket")
        heard.add(await news.recv())
        thread.join()
        while len(heard) < 3:
            await yield_now()

    run(main())
    assert heard == {"socket", "timer", "outside"}


@every_crew
def test_who_has_nothing_to_do_sleeps(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a second of idleness nobody looks into epoll more than a few times: idle is not busy waiting."""
    looks: Counter[bool] = Counter()
    poll = Reactor.poll

    def counted(self: Reactor, seconds: float | None) -> list[tuple[int, int]]:
        looks[seconds == 0] += 1
        return poll(self, seconds)

    monkeypatch.setattr(Reactor, "poll", counted)

    async def main() -> None:
        await sleep(0.1)
        await sleep(0.1)

    run(main(), workers=workers)
    assert looks[False] <= 12  # two timers, two calls back, and each worker on its way to bed
    assert looks[True] <= 2 * workers


# Timers


def test_timers_fire_in_the_order_of_their_deadlines() -> None:
    fired: list[int] = []

    async def wait(place: int) -> None:
        await sleep(place / 1000)
        fired.append(place)

    async def main() -> None:
        places = list(range(20))
        random.Random(1).shuffle(places)
        for task in [spawn(wait(place)) for place in places]:
            await task.join()

    run(main())
    assert fired == sorted(fired)
    assert len(fired) == 20


def test_an_earlier_timer_calls_back_who_sleeps_in_the_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker is in the reactor until a later deadline, when the other adds an earlier one, and parks."""
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


def test_removed_timers_take_no_room() -> None:
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


# Sockets


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
            heard = b""
            while len(heard) < len(data):
                heard += await connection.recv(1 << 20)
            await sender.join()
            assert heard == data

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
        with socket.create_server(("127.0.0.1", 0)) as gone:
            address = gone.getsockname()
        with Socket(socket.socket()) as connection, pytest.raises(ConnectionRefusedError):
            await connection.connect(address)

    run(main())


def test_a_reset_wakes_who_reads_and_who_writes() -> None:
    async def main() -> None:
        one, other = socket.socket(), socket.create_server(("127.0.0.1", 0))
        connection = Socket(one)
        await connection.connect(other.getsockname())
        peer, _ = other.accept()
        other.close()
        reader, writer = spawn(connection.recv(1)), spawn(connection.sendall(bytes(1 << 24)))
        await until_idle(reader)
        await until_idle(writer)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(OSError):
            await writer.join()
        with suppress(ConnectionResetError):  # the first of the two to look is told of the reset
            assert await reader.join() == b""

    run(main())


def test_to_close_a_socket_wakes_who_waits_for_it() -> None:
    async def main() -> None:
        one, other = pair()
        reader = spawn(one.recv(1))
        await until_idle(reader)
        one.close()
        one.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await reader.join()
        assert await other.recv(1) == b""

    run(main())


# Channels


def test_one_shot() -> None:
    async def main() -> None:
        shot: OneShot[str] = OneShot()
        waiting = [spawn(shot.recv()) for _ in range(2)]
        await until_idle(waiting[1])
        shot.send("bang")
        shot.close()  # too late to matter
        assert [await task.join() for task in waiting] == ["bang", "bang"]
        with pytest.raises(Closed):
            shot.send("again")
        empty: OneShot[str] = OneShot()
        task = spawn(empty.recv())
        await until_idle(task)
        empty.close()
        with pytest.raises(Closed):
            await task.join()

    run(main())


@every_crew
def test_a_bounded_channel_keeps_every_sender_s_order_and_its_bound(workers: int) -> None:
    async def produce(channel: Channel[tuple[int, int]], me: int) -> None:
        for number in range(300):
            await channel.send((me, number))

    async def main() -> None:
        channel: Channel[tuple[int, int]] = Channel(3)
        senders = [spawn(produce(channel, me)) for me in range(5)]
        heard = []
        for _ in range(5 * 300):
            heard.append(await channel.recv())
            assert len(channel._values) <= 3
        for sender in senders:
            await sender.join()
        for me in range(5):
            assert [number for who, number in heard if who == me] == list(range(300))

    run(main(), workers=workers)


def test_a_channel_that_is_full_or_closed() -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(1)
        channel.send_now(1)
        with pytest.raises(Full):
            channel.send_now(2)
        late = spawn(channel.send(2))
        await until_idle(late)
        channel.close()
        with pytest.raises(Closed):
            await late.join()
        with pytest.raises(Closed):
            channel.send_now(3)
        assert await channel.recv() == 1
        with pytest.raises(Closed):
            await channel.recv()
        empty: Channel[int] = Channel(1)
        receiver = spawn(empty.recv())
        await until_idle(receiver)
        empty.close()
        with pytest.raises(Closed):
            await receiver.join()

    run(main())


@every_crew
def test_a_broadcast_is_one_order_for_all(workers: int) -> None:
    async def listen(receiver: executor.Receiver[int]) -> list[int]:
        heard = []
        with suppress(Closed):
            while True:
                heard.append(await receiver.recv())
        return heard

    async def say(channel: Broadcast[int], numbers: range) -> None:
        for number in numbers:
            channel.send(number)
            await yield_now()

    async def main() -> None:
        channel: Broadcast[int] = Broadcast(1000)
        listeners = [spawn(listen(channel.subscribe())) for _ in range(5)]
        for speaker in [spawn(say(channel, range(n, 400, 4))) for n in range(4)]:
            await speaker.join()
        channel.close()
        first, *rest = [await task.join() for task in listeners]
        assert sorted(first) == list(range(400))
        assert all(one == first for one in rest)

    run(main(), workers=workers)


def test_a_slow_receiver_of_a_broadcast_is_told_what_it_missed() -> None:
    async def main() -> None:
        channel: Broadcast[int] = Broadcast(3)
        channel.send(-1)
        slow = channel.subscribe()
        for number in range(5):
            channel.send(number)
        with pytest.raises(Lagged) as told:
            await slow.recv()
        assert told.value.missed == 2
        assert [await slow.recv() for _ in range(3)] == [2, 3, 4]
        waiting = spawn(slow.recv())
        await until_idle(waiting)
        channel.send(5)
        assert await waiting.join() == 5
        channel.close()
        with pytest.raises(Closed):
            channel.send(6)
        with pytest.raises(Closed):
            await slow.recv()

    run(main())


# Cancellation


async def blocked_accept() -> tuple[Awaitable[Any], Callable[[], int]]:
    listener = Socket(socket.create_server(("127.0.0.1", 0)))
    return listener.accept(), lambda: len(listener._readable._waiting)


async def blocked_recv() -> tuple[Awaitable[Any], Callable[[], int]]:
    one, _ = pair()
    return one.recv(1), lambda: len(one._readable._waiting)


async def blocked_sendall() -> tuple[Awaitable[Any], Callable[[], int]]:
    one, _ = pair()
    return one.sendall(bytes(1 << 24)), lambda: len(one._writable._waiting)


async def blocked_connect() -> tuple[Awaitable[Any], Callable[[], int]]:
    # Nobody accepts, and no room in the queue: the kernel does not answer any more.
    listener = Socket(socket.create_server(("127.0.0.1", 0), backlog=0))
    crowd = [Socket(socket.socket()) for _ in range(4)]
    for one in crowd:
        await until_idle(spawn(one.connect(listener.raw.getsockname())))
    return crowd[-1].connect(listener.raw.getsockname()), lambda: len(crowd[-1]._writable._waiting) - 1


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
    """It is raised where the task stands, and nothing remembers the task then."""
    seen: list[str] = []

    async def waits(what: Awaitable[Any]) -> None:
        try:
            await what
        except Cancelled:
            seen.append("there")
            raise

    async def main() -> None:
        what, waiting = await blocked()
        task = spawn(waits(what))
        await until_idle(task)
        assert waiting() == 1
        task.cancel()
        with pytest.raises(TaskCancelled):
            await task.join()
        assert seen == ["there"]
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


def test_a_wake_up_is_not_lost_with_the_task_that_was_cancelled_after_it() -> None:
    """Two wait; the first is notified and cancelled before it runs; what it was notified of is the second's."""

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


def test_who_is_woken_for_nothing_stands_in_no_list_any_more() -> None:
    """Else the next notification would go to a task that waits for something else by now."""
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


# The end


@every_crew
def test_when_main_ends_all_is_taken_down(workers: int) -> None:
    """The other tasks see Cancelled, may clean up, and cannot start others; sockets nobody closed are closed."""
    ends: Counter[str] = Counter()
    left: list[Socket] = []

    async def waits(number: int) -> None:
        one, other = pair()
        left.extend([one, other])
        try:
            await (one.recv(1) if number % 2 else sleep(1000))
        finally:
            spawn(never())
            await yield_now()
            ends["cleaned up"] += 1

    async def never() -> None:
        ends["started too late"] += 1

    async def main() -> None:
        for task in [spawn(waits(number)) for number in range(50)]:
            await until_idle(task)

    run(main(), workers=workers)
    assert ends == {"cleaned up": 50}
    assert len(left) == 100
    assert all(one.raw.fileno() == -1 for one in left)


@every_crew
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_main(workers: int, number: int) -> None:
    """Whatever the thread that gets it does at that moment: here, it sleeps."""

    async def main(catch: bool) -> str:
        try:
            os.kill(os.getpid(), number)
            await sleep(1000)
        except Cancelled:
            if not catch:
                raise
        return "caught"

    before = signal.getsignal(number)
    assert run(main(True), workers=workers, signals=(number,)) == "caught"
    with pytest.raises(KeyboardInterrupt):
        run(main(False), workers=workers, signals=(number,))
    assert signal.getsignal(number) is before


def test_in_another_thread_it_runs_without_signals() -> None:
    results: list[str] = []

    async def main() -> str:
        await sleep(0.001)
        return "ran"

    thread = threading.Thread(target=lambda: results.append(run(main(), workers=2, signals=())))
    thread.start()
    thread.join()
    assert results == ["ran"]


def test_an_executor_cannot_run_inside_another() -> None:
    async def inner() -> None:
        pass

    async def main() -> None:
        another = inner()
        with pytest.raises(RuntimeError, match="inside"):
            run(another, signals=())
        await another

    run(main())


# The package


def test_it_imports_nothing_but_itself_and_the_standard_library() -> None:
    for file in Path(executor.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
