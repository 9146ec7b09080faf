"""The end: all is taken down, by main's return or by a signal."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from impls.executor_impl.executor import (
    Cancelled,
    Socket,
    run,
    sleep,
    spawn,
    yield_now,
)
from tests.executor.kit import every_crew, pair, until_idle


@every_crew
def test_when_main_ends_all_is_taken_down(workers: int) -> None:
    """The other tasks see Cancelled, may clean up, and cannot start others; sockets nobody closed are closed."""
    ends: list[str] = []  # what threads add up in one number is lost now and then
    left: list[Socket] = []

    async def waits(number: int) -> None:
        one, other = pair()
        left.extend([one, other])
        try:
            await (one.recv(1) if number % 2 else sleep(1000))
        finally:
            spawn(never())
            await yield_now()
            ends.append("cleaned up")

    async def never() -> None:
        ends.append("started too late")

    async def main() -> None:
        for task in [spawn(waits(number)) for number in range(50)]:
            await until_idle(task)

    run(main(), workers=workers)
    assert ends == ["cleaned up"] * 50
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
