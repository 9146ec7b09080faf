"""The end: when main returns, or at a signal, everything is shut down."""

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
def test_when_main_ends_everything_is_shut_down(workers: int) -> None:
    """The other tasks are cancelled, may clean up, and cannot start tasks; sockets left open are closed."""
    ends: list[str] = []  # a list, because threads that increment one number can lose increments
    sockets: list[Socket] = []

    async def waits(number: int) -> None:
        first, second = pair()
        sockets.extend([first, second])
        try:
            await (first.recv(1) if number % 2 else sleep(1000))
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
    assert len(sockets) == 100
    assert all(socket.raw.fileno() == -1 for socket in sockets)


@every_crew
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_main(workers: int, number: int) -> None:
    """A signal works whatever the thread that gets it is doing; here, it sleeps."""

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
