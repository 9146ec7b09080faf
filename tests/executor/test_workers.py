"""Workers steal tasks, take turns in the reactor, accept events when busy, and sleep when idle."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from impls.executor_impl.executor import (
    Channel,
    Socket,
    current_task,
    run,
    sleep,
    spawn,
    yield_now,
)
from impls.executor_impl.executor.reactor import Reactor
from impls.executor_impl.executor.scheduler import current_executor, here
from impls.executor_impl.executor.task import State, Task
from tests.executor.kit import every_crew, pair, until_idle


def test_work_is_stolen() -> None:
    """Four tasks, woken by one worker, meet at a barrier that blocks threads: this needs four workers."""
    barrier = threading.Barrier(4)

    async def blocks() -> int:
        barrier.wait()
        return threading.get_ident()

    async def main() -> set[int]:
        tasks = [spawn(blocks()) for _ in range(3)]
        barrier.wait()
        return {threading.get_ident()} | {await task.join() for task in tasks}

    assert len(run(main(), workers=4)) == 4


def test_a_thief_takes_the_oldest_task() -> None:
    """One worker is occupied, with tasks in its deque; the other one runs them in the order in which they came."""
    started, free, finished = threading.Event(), threading.Event(), threading.Event()
    ran: list[int] = []

    async def occupy() -> None:
        started.set()
        free.wait()

    async def run_as(number: int) -> None:
        ran.append(number)
        if len(ran) == 10:
            finished.set()

    async def main() -> None:
        spawn(occupy())
        started.wait()  # on the other worker, which steals nothing until all tasks are in the deque of this one
        for number in range(10):
            spawn(run_as(number))
        free.set()
        finished.wait()

    run(main(), workers=2)
    assert ran == list(range(10))


def test_a_worker_that_blocks_leaves_the_reactor_to_another() -> None:
    """One task has been woken by an event and blocks its thread; timers and sockets go on."""
    freed = threading.Event()

    async def blocks(source: Socket) -> None:
        await source.recv(1)
        freed.wait()

    async def frees(source: Socket) -> None:
        await source.recv(1)
        await sleep(0.001)
        freed.set()

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


def test_a_worker_that_parks_during_anothers_short_poll_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy worker polls the reactor; meanwhile the other finds it taken and parks; then the first blocks."""
    started, free, received = threading.Event(), threading.Event(), threading.Event()

    async def blocks() -> None:
        started.set()
        free.wait()

    async def listen(source: Socket) -> None:
        await source.recv(1)
        received.set()

    async def main() -> None:
        scheduler = current_executor()
        poll = Reactor.poll

        def slow(self: Reactor, seconds: float | None) -> list[tuple[int, int]]:
            if here.worker is visitor:  # the other worker may get here too, before the patch is undone
                free.set()
                while not scheduler._parked:
                    time.sleep(0)
            return poll(self, seconds)

        near, far = pair()
        await until_idle(spawn(listen(far)))
        spawn(blocks())
        started.wait()  # on the other worker
        visitor = here.worker
        assert visitor is not None
        with monkeypatch.context() as patch:
            patch.setattr(Reactor, "poll", slow)
            scheduler._visit(visitor)  # what a busy worker does between two tasks
        near.raw.send(b"x")
        received.wait()

    run(main(), workers=2)


def test_a_deque_that_is_never_empty_does_not_delay_events() -> None:
    """A worker that is always busy still handles events, timers and wake-ups from outside."""
    news: Channel[str] = Channel(3)
    received: set[str] = set()
    thread = threading.Thread(target=news.send_now, args=("outside",))

    async def busy(main: Task[None]) -> None:
        await until_idle(main)
        thread.start()
        while len(received) < 3:
            await yield_now()

    async def listen(source: Socket) -> None:
        received.add((await source.recv(10)).decode())

    async def wait() -> None:
        await sleep(0.001)
        received.add("timer")

    async def main() -> None:
        spawn(busy(current_task()))
        near, far = pair()
        spawn(listen(far))
        spawn(wait())
        await yield_now()
        await near.sendall(b"socket")
        received.add(await news.recv())
        thread.join()
        while len(received) < 3:
            await yield_now()

    run(main())
    assert received == {"socket", "timer", "outside"}


@every_crew
def test_an_idle_worker_sleeps(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 0.2 s idle workers call epoll a few times; a busy loop would call it some thousand times."""
    polls: Counter[bool] = Counter()
    poll = Reactor.poll

    def counted(self: Reactor, seconds: float | None) -> list[tuple[int, int]]:
        polls[seconds == 0] += 1
        return poll(self, seconds)

    monkeypatch.setattr(Reactor, "poll", counted)

    async def main() -> None:
        await sleep(0.1)
        await sleep(0.1)

    run(main(), workers=workers)
    # Two timers, two wake-ups, and each worker before it sleeps: about a dozen, however the threads race.
    assert polls.total() <= 100
