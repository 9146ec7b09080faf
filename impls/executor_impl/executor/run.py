"""What a program calls: `run`, `spawn`, `sleep`, `yield_now`. Signals arrive as bytes on a socket."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .net import Socket
from .scheduler import Executor, current_executor
from .task import Task, TaskCancelled, current_task, suspend

T = TypeVar("T")


def run(coroutine: Coroutine[Any, None, T], *, workers: int = 1, signals: Collection[int] = (signal.SIGINT,)) -> T:
    """Run a coroutine as the main task on so many threads, of which the calling one is the first.

    Each of `signals` cancels the main task. Only the process's main thread may ask for signals;
    in any other pass `signals=()`, else ValueError. When the main task has ended, all others
    are cancelled and waited for (one that catches Cancelled and goes on delays the end), then
    the sockets that are left are closed and the threads joined.

    Returns what the coroutine returned or raises what it raised. If it was cancelled, raises
    KeyboardInterrupt if that was for a signal, else TaskCancelled. Raises RuntimeError inside a
    task, and if a thread cannot be started; OSError when no descriptor is left.
    """
    arrived: list[int] = []

    async def main() -> T:
        if bell is not None:
            spawn(_listen(bell, signals, arrived, current_task()))
        return await coroutine

    with _ringing(signals) as bell:
        executor = Executor(workers)
        done = executor.run(main())
    try:
        return done.outcome()
    except TaskCancelled:
        if arrived:
            raise KeyboardInterrupt from None
        raise


def spawn(coroutine: Coroutine[Any, None, T]) -> Task[T]:
    """Start a task beside the calling one.

    It ends by itself, by `cancel`, or when the main task has ended. Its error goes to who joins it;
    if nobody does, it is printed on standard error when the task is forgotten.
    """
    return current_executor().spawn(coroutine)


async def sleep(seconds: float) -> None:
    """Suspend the calling task for at least so many seconds of the monotonic clock."""
    executor = current_executor()
    timer, first = executor.timers.add(time.monotonic() + seconds, current_task())
    if first:  # whoever sleeps in the reactor would sleep too long
        executor.call_back()
    try:
        while timer.task is not None:
            await suspend()
    finally:
        executor.timers.remove(timer)


async def yield_now() -> None:
    """Let the other tasks that are ready have their turn first."""
    current_task().wake()
    await suspend()


@contextmanager
def _ringing(signals: Collection[int]) -> Iterator[socket.socket | None]:
    """Give a socket on which every one of these signals arrives as a byte, its number.

    A Python signal handler would run in the middle of whatever the main thread does, perhaps while
    it holds the lock that the handler needs. So the handlers do nothing, and the interpreter's own
    handler in C writes the byte, of these and of all other signals that have a handler.
    """
    if not signals:
        yield None
        return
    bell, button = socket.socketpair()
    with bell, button:
        button.setblocking(False)
        before = signal.set_wakeup_fd(button.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, lambda *_: None) for number in signals}
        try:
            yield bell
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


async def _listen(bell: socket.socket, signals: Collection[int], arrived: list[int], main: Task[Any]) -> None:
    """Cancel the main task for every signal that arrives."""
    with Socket(bell) as listening:
        while True:
            for number in await listening.recv(64):
                if number in signals:
                    arrived.append(number)
                    main.cancel()
