"""The functions a program calls: `run`, `spawn`, `sleep`, `yield_now`. Signals arrive as bytes on a socket."""

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
    """Run a coroutine as the main task, on `workers` threads including the calling one.

    Each of `signals` cancels the main task. Only the process's main thread can handle signals;
    any other must pass `signals=()`, else this raises ValueError. When the main task has ended,
    all others are cancelled and waited for (a task that catches Cancelled and goes on delays the
    end); then the remaining sockets are closed and the threads joined.

    Returns what the coroutine returned or raises what it raised. If it was cancelled, raises
    KeyboardInterrupt if a signal was the cause, else TaskCancelled. Raises RuntimeError inside a
    task, and if a thread cannot be started; OSError when no descriptor is left.
    """
    arrived: list[int] = []

    async def main() -> T:
        if signal_bytes is not None:
            spawn(_listen(signal_bytes, signals, arrived, current_task()))
        return await coroutine

    with _signal_socket(signals) as signal_bytes:
        executor = Executor(workers)
        done = executor.run(main())
    try:
        return done.outcome()
    except TaskCancelled:
        if arrived:
            raise KeyboardInterrupt from None
        raise


def spawn(coroutine: Coroutine[Any, None, T]) -> Task[T]:
    """Start a task that runs concurrently with the calling one.

    It ends by itself, by `cancel`, or when the main task has ended. `join` raises its error; if no
    task joins it, the error is printed on standard error when the task object is deleted.
    """
    return current_executor().spawn(coroutine)


async def sleep(seconds: float) -> None:
    """Suspend the calling task for at least `seconds` of the monotonic clock."""
    executor = current_executor()
    timer, first = executor.timers.add(time.monotonic() + seconds, current_task())
    if first:  # the worker in the reactor would wait too long
        executor.call_back()
    try:
        while timer.task is not None:
            await suspend()
    finally:
        executor.timers.remove(timer)


async def yield_now() -> None:
    """Let the other ready tasks run first."""
    current_task().wake()
    await suspend()


@contextmanager
def _signal_socket(signals: Collection[int]) -> Iterator[socket.socket | None]:
    """Yield a socket on which each of these signals arrives as a byte: its number.

    A Python signal handler would interrupt the main thread anywhere, perhaps while it holds a lock
    that the handler needs. So the handlers do nothing, and the interpreter's own handler in C writes
    the byte, for these and for all other signals that have a handler.
    """
    if not signals:
        yield None
        return
    signal_bytes, wakeup = socket.socketpair()
    with signal_bytes, wakeup:
        wakeup.setblocking(False)
        before = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, lambda *_: None) for number in signals}
        try:
            yield signal_bytes
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


async def _listen(signal_bytes: socket.socket, signals: Collection[int], arrived: list[int], main: Task[Any]) -> None:
    """Cancel the main task for every signal that arrives."""
    with Socket(signal_bytes) as listening:
        while True:
            for number in await listening.recv(64):
                if number in signals:
                    arrived.append(number)
                    main.cancel()
