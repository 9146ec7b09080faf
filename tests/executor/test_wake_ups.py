"""No wake-up is lost: between tasks, from outside, through the kernel."""

from __future__ import annotations

import threading
from contextlib import suppress

from impls.executor_impl.executor import (
    Channel,
    Closed,
    Condition,
    Socket,
    run,
    spawn,
)
from tests.executor.kit import every_crew, pair


@every_crew
def test_no_wake_up_of_200_000_is_lost(workers: int) -> None:
    """Pairs pass a token to and fro: after passing it, a task sleeps until the other wakes it, or for ever."""
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

    results = run(main(), workers=workers)
    assert [passed for passed, _ in results] == [turns] * 2 * pairs
    if workers == 1:  # otherwise some find the token at once, and need not sleep
        assert sum(slept for _, slept in results) >= 2 * pairs * (turns - 1)


@every_crew
def test_wake_ups_from_outside_reach_executors_that_sleep(workers: int) -> None:
    """A thread that is not a worker sends and waits for the answer: each time all workers may be asleep."""
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
    """Tasks pass bytes around a ring of sockets: every pass is an event, and epoll reports each edge once."""

    async def relay(source: Socket, target: Socket, count: int) -> int:
        received = 0
        while received < count:
            data = await source.recv(1)
            received += len(data)
            await target.sendall(data)
        return received

    async def main() -> int:
        pairs = [pair() for _ in range(8)]
        tasks = [spawn(relay(pairs[n][1], pairs[(n + 1) % 8][0], 1000)) for n in range(8)]
        for n in (0, 2, 4):
            await pairs[n][0].sendall(b"x")
        total = sum([await task.join() for task in tasks])
        for first, second in pairs:
            first.close()
            second.close()
        return total

    assert run(main(), workers=workers) == 8000
