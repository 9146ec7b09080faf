"""Tasks, and the condition they wait on.

A task is a coroutine and a state. Code that has news for it calls `wake()`; a worker that takes
it from a queue calls `run()`, which drives the coroutine to its next suspension.

    IDLE ──wake──> SCHEDULED ──run──> RUNNING ──suspends──> IDLE
                       ^                 │
                       │               wake
                       │                 v
                       └──suspends── NOTIFIED            RUNNING, NOTIFIED ──returns──> DONE

Why no wake-up is lost. Every change of state happens under the task's lock, so a wake-up
falls into exactly one state:

* IDLE: the task is queued now, and will run after this.
* SCHEDULED: it is queued already and `run` has not begun; it will run after this.
* RUNNING: it is unknown whether the coroutine looks at the news before it suspends. So the state
  becomes NOTIFIED, and the end of this run queues the task for another, which begins after this.
* NOTIFIED: that other run is already certain, and has not begun.
* DONE: no run is needed.

So after every wake-up a run begins, and it sees what was there when `wake` was called: the
lock orders the two. And only the arrows into SCHEDULED put a task into a queue, so it is in
one queue at most, and two workers never run it at once. The names of the states follow
Rust's async-task and Tokio, which keep them in one atomic word.

Consequence: a task may be run for nothing (the wake-up of an earlier wait arrives during a later
one), so it must wait in a loop that checks its condition again.
"""

from __future__ import annotations

import threading
import traceback
from collections import OrderedDict
from collections.abc import Coroutine, Generator
from enum import Enum
from types import TracebackType, coroutine
from typing import Any, Generic, Protocol, TypeVar, cast

T = TypeVar("T")


class Cancelled(BaseException):
    """Raised inside a task, at the `await` where it is suspended, when it was cancelled.

    Not an Exception, so that `except Exception` in a task's loop does not swallow it.
    """


class TaskCancelled(Exception):
    """Raised by `join` for a task that ended because it was cancelled."""


class State(Enum):
    IDLE = "waits for a wake-up"
    SCHEDULED = "is in a queue"
    RUNNING = "a worker runs it"
    NOTIFIED = "a worker runs it, and must run it again"
    DONE = "has returned or raised"


class Scheduler(Protocol):
    """The part of the executor that a task needs."""

    def schedule(self, task: Task[Any]) -> None:
        """Put a task that has just become SCHEDULED into a queue."""

    def ended(self, task: Task[Any]) -> None:
        """Record that a task is DONE."""


class Here(threading.local):
    """The task that this thread is running."""

    task: Task[Any] | None = None


here = Here()


def current_task() -> Task[Any]:
    """Return the calling task; raise RuntimeError outside of any task."""
    if here.task is None:
        raise RuntimeError("only a task of the executor can do this")
    return here.task


@coroutine
def suspend() -> Generator[None, None, None]:
    """Suspend this task until it is woken, for whatever reason."""
    yield


class Condition:
    """Like threading.Condition, except that `wait` suspends a task and not a thread.

    It is used inside `with` in the same way, and its lock is a thread's lock: any thread may notify,
    and the tasks that share a condition may run on different workers. Because the lock is held from
    the check until the task is in the list, no notification can be lost in between. Do not await
    anything else inside that `with`: it would suspend the task with the lock held.
    """

    __slots__ = ("_lock", "_waiting")

    def __init__(self, lock: threading.Lock | None = None) -> None:
        self._lock = lock or threading.Lock()
        self._waiting: OrderedDict[Task[Any], None] = OrderedDict()  # oldest first, removal at once

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @coroutine
    def wait(self) -> Generator[None, None, None]:
        """Release the lock, suspend, take the lock again; this may return without a notification.

        Raises Cancelled, with the lock held, as the enclosing `with` expects it.
        """
        task = current_task()
        self._waiting[task] = None
        self._lock.release()
        try:
            yield
        except BaseException:
            self._lock.acquire()
            if task in self._waiting:
                del self._waiting[task]
            else:  # it was notified too, and cannot use that: pass it on to the next task
                self.notify()
            raise
        self._lock.acquire()
        self._waiting.pop(task, None)  # still in the list if it was woken for nothing

    def notify(self) -> None:
        """Wake the task that has waited longest, if any. Call this with the lock held."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].wake()

    def notify_all(self) -> None:
        """Wake all waiting tasks. Call this with the lock held."""
        if self._waiting:
            woken, self._waiting = self._waiting, OrderedDict()
            for task in woken:
                task.wake()


class Task(Generic[T]):
    """A coroutine that an executor runs. Created by `spawn`; all methods are thread-safe."""

    __slots__ = ("_cancelling", "_coroutine", "_ended", "_error", "_joined", "_lock", "_result", "_scheduler", "_state")

    def __init__(self, coroutine: Coroutine[Any, None, T], scheduler: Scheduler) -> None:
        self._coroutine = coroutine
        self._scheduler = scheduler
        self._lock = threading.Lock()  # guards all that follows
        self._state = State.IDLE
        self._cancelling = False
        self._ended = Condition(self._lock)
        self._result: T | None = None
        self._error: BaseException | None = None
        self._joined = False

    def wake(self) -> None:
        """Make sure that the task is run after this call."""
        with self._lock:
            schedule = self._wake()
        if schedule:
            self._scheduler.schedule(self)

    def _wake(self) -> bool:
        """Record a wake-up, with the lock held; return whether the task must be put into a queue."""
        if self._state is State.IDLE:
            self._state = State.SCHEDULED
            return True
        if self._state is State.RUNNING:
            self._state = State.NOTIFIED
        return False

    def cancel(self) -> None:
        """Raise Cancelled in the task, at the await where it is suspended or else at the next one that suspends.

        This happens once for each run: a task that catches it goes on, and can be cancelled again.
        """
        with self._lock:
            self._cancelling = True
            schedule = self._wake()
        if schedule:
            self._scheduler.schedule(self)

    async def join(self) -> T:
        """Wait for the end; return what the coroutine returned, or raise what it raised.

        Raises TaskCancelled if the task ended by cancellation; Cancelled if the caller is cancelled.
        """
        with self._ended:
            while self._state is not State.DONE:
                await self._ended.wait()
        return self.outcome()

    def outcome(self) -> T:
        """Return or raise what `join` does, for a task that is DONE."""
        self._joined = True
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    def run(self) -> None:
        """Run the coroutine until it suspends or ends. Called by the worker that took the task from a queue."""
        with self._lock:
            self._state = State.RUNNING
            cancelling, self._cancelling = self._cancelling, False
        here.task = self
        try:
            if cancelling:
                self._coroutine.throw(Cancelled())
            else:
                self._coroutine.send(None)
        except StopIteration as end:
            self._end(end.value, None)
        except Cancelled:
            self._end(None, TaskCancelled("the task was cancelled"))
        except BaseException as error:
            # Avoid a reference cycle: this frame refers to the task, the task to the error, the error to this frame.
            self._end(None, error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        else:
            with self._lock:
                again = self._state is State.NOTIFIED
                self._state = State.SCHEDULED if again else State.IDLE
            if again:  # if not, another worker may already be running it: do not touch it any more
                self._scheduler.schedule(self)
        finally:
            here.task = None

    def _end(self, result: T | None, error: BaseException | None) -> None:
        with self._lock:
            self._state = State.DONE
            self._result, self._error = result, error
            self._ended.notify_all()
        self._scheduler.ended(self)

    def __del__(self) -> None:
        # Only now is it certain that no task will join this one; its error must not be lost.
        if self._error is not None and not self._joined and not isinstance(self._error, TaskCancelled):
            traceback.print_exception(self._error)
