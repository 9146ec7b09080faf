"""Tasks, and the condition they wait on.

A task is a coroutine and a state. Whoever has something for it calls `wake()`; a worker that
finds it in a queue calls `run()`, which drives the coroutine to its next suspension.

    IDLE ──wake──> SCHEDULED ──run──> RUNNING ──suspends──> IDLE
                       ^                 │
                       │               wake
                       │                 v
                       └──suspends── NOTIFIED            RUNNING, NOTIFIED ──returns──> DONE

Why no wake-up is lost. Every change of state happens under the task's lock, so a wake-up
falls into exactly one state:

* IDLE: the task is queued now, and will run after this.
* SCHEDULED: it is queued already and `run` has not begun; it will run after this.
* RUNNING: whether the coroutine looks at the news before it suspends, nobody can tell. So
  NOTIFIED makes the end of this run queue it for another, which begins after this.
* NOTIFIED: that other run is promised already, and has not begun.
* DONE: there is nobody to be woken.

So after every wake-up a run begins, and it sees what was there when `wake` was called: the
lock orders the two. And only the arrows into SCHEDULED put a task into a queue, so it stands
in one queue at most, and two workers never run it at once. The names of the states follow
Rust's async-task and Tokio, which keep them in one atomic word.

What follows for those who wait: a run may come for nothing (the wake-up of an earlier wait
arrives during a later one), so who waits does it in a loop, and looks again.
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
    """Raised inside a task, at the `await` where it stands, when somebody has cancelled it.

    Not an Exception, so that `except Exception` in a task's loop does not swallow it.
    """


class TaskCancelled(Exception):
    """Raised by `join` for a task that ended because it was cancelled."""


class State(Enum):
    IDLE = "waits for a wake-up"
    SCHEDULED = "stands in a queue"
    RUNNING = "a worker drives it"
    NOTIFIED = "a worker drives it, and it must be run again"
    DONE = "has returned or raised"


class Scheduler(Protocol):
    """What a task needs of its executor."""

    def schedule(self, task: Task[Any]) -> None:
        """Put a task that has just become SCHEDULED into a queue."""

    def ended(self, task: Task[Any]) -> None:
        """Take note that a task is DONE."""


class Here(threading.local):
    """What this thread is doing."""

    task: Task[Any] | None = None


here = Here()


def current_task() -> Task[Any]:
    """Return the task that is calling; raise RuntimeError outside of any."""
    if here.task is None:
        raise RuntimeError("only a task of the executor can do this")
    return here.task


@coroutine
def suspend() -> Generator[None, None, None]:
    """Give the worker back until somebody wakes this task, for whatever reason."""
    yield


class Condition:
    """Like threading.Condition, except that `wait` suspends a task and not a thread.

    It is used inside `with` in the same way, and its lock is a real one: any thread may notify,
    and tasks that meet here may be run by different workers. As the lock is held from the look
    at the news until the task stands in the list, no news can fall in between. No other await
    belongs inside that `with`: it would suspend the task with the lock held.
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
        """Release the lock, suspend, take the lock again; it may return for nothing.

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
            else:  # it was notified as well, and will not use it: that is somebody else's now
                self.notify()
            raise
        self._lock.acquire()
        self._waiting.pop(task, None)  # still there if it was woken for nothing

    def notify(self) -> None:
        """Wake who has waited longest, if any; to be called with the lock held."""
        if self._waiting:
            self._waiting.popitem(last=False)[0].wake()

    def notify_all(self) -> None:
        """Wake all who wait; to be called with the lock held."""
        if self._waiting:
            woken, self._waiting = self._waiting, OrderedDict()
            for task in woken:
                task.wake()


class Task(Generic[T]):
    """A coroutine that is run by an executor. Made by `spawn`; all its methods are for any thread."""

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
        """See to it that the task is run after this call."""
        with self._lock:
            schedule = self._wake()
        if schedule:
            self._scheduler.schedule(self)

    def _wake(self) -> bool:
        """Note a wake-up, with the lock held; return whether the task must be put into a queue."""
        if self._state is State.IDLE:
            self._state = State.SCHEDULED
            return True
        if self._state is State.RUNNING:
            self._state = State.NOTIFIED
        return False

    def cancel(self) -> None:
        """Have Cancelled raised at the await where the task stands, or at the next where it suspends.

        Once for each run: a task that catches it goes on, and can be cancelled again.
        """
        with self._lock:
            self._cancelling = True
            schedule = self._wake()
        if schedule:
            self._scheduler.schedule(self)

    async def join(self) -> T:
        """Wait for the end; return what the coroutine returned, or raise what it raised.

        Raises TaskCancelled if the task ended by cancellation; Cancelled if it is the caller that is cancelled.
        """
        with self._ended:
            while self._state is not State.DONE:
                await self._ended.wait()
        return self.outcome()

    def outcome(self) -> T:
        """Return or raise what `join` does, of a task that is DONE."""
        self._joined = True
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    def run(self) -> None:
        """Drive the coroutine to where it suspends or ends; for the worker that took the task from a queue."""
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
            # This frame holds the task, the task the error, and the error would hold this frame.
            self._end(None, error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        else:
            with self._lock:
                again = self._state is State.NOTIFIED
                self._state = State.SCHEDULED if again else State.IDLE
            if again:  # if not, another worker may by now be running it: not to be touched any more
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
        # Only now is it certain that nobody will join; an error must not vanish for that.
        if self._error is not None and not self._joined and not isinstance(self._error, TaskCancelled):
            traceback.print_exception(self._error)
