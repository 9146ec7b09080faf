"""The scheduler: workers that run tasks, steal them from each other, and sleep.

Every worker has a deque. A task woken by another task goes to the back of the deque of the worker
that runs the other. The worker and thieves both take from the front, so that the task that has waited
longest in it is next, whoever runs it. (As in Go and Tokio. In Blumofe and Leiserson 1999 the owner takes the
newest task, which suits a computation that divides itself, and would be unfair to connections.) Tasks
woken by other threads go to the injector, and all workers take from it. Single operations on a deque
are atomic.

A worker that finds no work goes to sleep: in the reactor if no other worker is there, else parked
on a lock of its own. Why no worker sleeps while there is work:

* A thread that adds work takes the lock afterwards and looks for sleepers. A worker that goes to
  sleep adds itself to the sleepers under the lock and looks for work afterwards. Whichever of the
  two takes the lock first, the other sees what it did.
* One worker at a time is *searching*: woken up, without having found work yet. While it searches,
  no other is woken, because it will find what was added, or look once more after it has added
  itself to the sleepers. When it finds work it stops searching, and wakes the next worker, because
  there may be more. So a burst wakes as many workers as it needs, one after the other, and a single
  task wakes a single worker. (The rule of Go's scheduler, and of Tokio's.)
* A worker that leaves the reactor or finds work also wakes the next one if the reactor is empty:
  that one finds work or goes there. So while any worker is parked, another one waits for events
  or is about to, however long a task occupies its worker.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from .reactor import Reactor
from .task import Task
from .timers import Timers

T = TypeVar("T")

TURNS = 64  # tasks that a busy worker runs between two looks at the reactor and the injector


class Worker:
    """The state of one worker thread."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.queue: deque[Task[Any]] = deque()
        self.searching = False  # guarded by the executor's lock
        self.gate = threading.Lock()  # held while the worker runs; releasing it unparks the worker
        self.gate.acquire()


class Here(threading.local):
    """The worker that this thread belongs to."""

    worker: Worker | None = None


here = Here()


def current_executor() -> Executor:
    """Return the executor of the calling task; raise RuntimeError outside of any task."""
    if here.worker is None:
        raise RuntimeError("only a task of the executor can do this")
    return here.worker.executor


class Executor:
    """The workers, and the state they share. Created by `run`."""

    def __init__(self, workers: int) -> None:
        """Raise RuntimeError in a task, OSError when no descriptor is left."""
        if here.worker is not None:
            raise RuntimeError("an executor cannot run inside a task of another executor")
        self.reactor = Reactor()
        self.timers = Timers()
        self.workers = [Worker(self) for _ in range(workers)]
        self._injector: deque[Task[Any]] = deque()
        self._lock = threading.Lock()  # guards all that follows
        self._parked: list[Worker] = []
        self._poller: Worker | None = None  # the worker in the reactor, until it has left
        self._called = False  # whether the poller was interrupted
        self._searching = False  # whether a worker is searching
        self._tasks: set[Task[Any]] = set()
        self._main: Task[Any] | None = None
        self._closing = False
        self._finished = False

    # Tasks

    def spawn(self, coroutine: Coroutine[Any, None, T]) -> Task[T]:
        """Create a task and queue it; cancel it if the executor is closing."""
        task = Task(coroutine, self)
        with self._lock:
            self._tasks.add(task)
            closing = self._closing
        if closing:
            task.cancel()
        else:
            task.wake()
        return task

    def schedule(self, task: Task[Any]) -> None:
        """Queue a task that has just become SCHEDULED, and wake a sleeping worker for it, if any."""
        worker = here.worker
        if worker is not None and worker.executor is self:
            worker.queue.append(task)
        else:
            self._injector.append(task)
        self._notify()

    def ended(self, task: Task[Any]) -> None:
        """Forget a task that is DONE. After the main task all others are cancelled; after the last the workers end."""
        others: list[Task[Any]] = []
        with self._lock:
            self._tasks.remove(task)
            if task is self._main:
                self._closing = True
                others = list(self._tasks)
            last = self._closing and not self._tasks
        for other in others:
            other.cancel()
        if last:
            self._finish()

    # Workers

    def run(self, coroutine: Coroutine[Any, None, T]) -> Task[T]:
        """Run the main task, then the cancelled rest, on this thread and those of the other workers.

        Returns the main task, DONE. Raises RuntimeError if a thread cannot be started.
        """
        main = self._main = self.spawn(coroutine)
        started: list[threading.Thread] = []
        try:
            for worker in self.workers[1:]:
                thread = threading.Thread(target=self._work, args=(worker,))
                thread.start()
                started.append(thread)
            self._work(self.workers[0])
        finally:
            here.worker = None
            self._finish()
            for thread in started:
                thread.join()
            self.reactor.close()
        return main

    def _work(self, worker: Worker) -> None:
        """Run tasks until the executor has finished."""
        here.worker = worker
        turn = 0
        while not self._finished:
            turn += 1
            task = None
            if turn % TURNS == 0:  # else a deque that is never empty would starve the reactor and the injector
                self._visit(worker)
                task = _take(self._injector)
            task = task or self._find(worker)
            if task is None:
                self._sleep(worker)
                continue
            if worker.searching:
                self._end_search(worker)
            task.run()
            del task  # else the task would be kept alive while the worker sleeps

    def _find(self, worker: Worker) -> Task[Any] | None:
        """Take a task from the worker's own deque, else from the injector, else from another worker."""
        task = _take(worker.queue) or _take(self._injector)
        if task is None:
            mine = self.workers.index(worker)
            for victim in self.workers[mine + 1 :] + self.workers[:mine]:
                if task := _take(victim.queue):
                    break
        return task

    def _has_work(self) -> bool:
        return bool(self._injector) or any(worker.queue for worker in self.workers)

    def _notify(self) -> None:
        """Wake a worker for work just added, if one sleeps and none is searching yet."""
        with self._lock:
            self._wake_one()

    def _pass_on(self) -> None:
        """Wake the next worker, if there is work for it or the reactor is empty."""
        work = self._has_work()
        with self._lock:
            if work or self._poller is None:
                self._wake_one()

    def _wake_one(self) -> None:
        """Wake a worker, if one sleeps and none is searching yet; with the lock held."""
        if self._searching:
            return
        if self._parked:
            worker = self._parked.pop()
            worker.gate.release()
        elif self._poller is not None:
            worker = self._poller
            self._call_back()
        else:
            return
        self._searching = worker.searching = True

    def _call_back(self) -> None:
        """Make the poller, if there is one, leave the reactor; with the lock held."""
        if self._poller is not None and not self._called:
            self._called = True
            self.reactor.interrupt()

    def _end_search(self, worker: Worker) -> None:
        """End the search of this worker, and wake the next one if there is a reason."""
        with self._lock:
            self._searching = worker.searching = False
        self._pass_on()

    def _sleep(self, worker: Worker) -> None:
        """Wait for work: in the reactor or, if another worker is there, parked."""
        with self._lock:
            if worker.searching:
                self._searching = worker.searching = False
            if self._finished:
                return
            polls = self._poller is None
            if polls:
                self._poller = worker
            else:
                self._parked.append(worker)
        if self._has_work():  # added after this worker had looked, and before it was one of the sleepers
            self._notify()  # wakes one of them, perhaps this one
        if polls:
            self._poll(worker, block=True)
        else:
            worker.gate.acquire()

    def _visit(self, worker: Worker) -> None:
        """Poll the reactor without waiting, if no other worker is there."""
        with self._lock:
            if self._poller is not None:
                return
            self._poller = worker
        self._poll(worker, block=False)

    def _poll(self, worker: Worker, block: bool) -> None:
        """Take events and due timers, and queue their tasks; `worker` is the poller."""
        deadline = self.timers.next() if block else None
        if deadline is not None:
            events = self.reactor.poll(max(0.0, deadline - time.monotonic()))
        else:
            events = self.reactor.poll(None if block else 0.0)
        with self._lock:
            self._poller = None
            if self._called:  # not before it has left: the next poller would get this interrupt, or lose its own
                self._called = False
                self.reactor.calm()
        self.reactor.dispatch(events)
        for task in self.timers.due(time.monotonic()):
            task.wake()
        self._pass_on()

    def call_back(self) -> None:
        """Make the poller, if there is one, look at the timers again."""
        with self._lock:
            self._call_back()

    def _finish(self) -> None:
        """Let all workers return."""
        with self._lock:
            self._finished = True
            while self._parked:
                self._parked.pop().gate.release()
            self._call_back()


def _take(queue: deque[Task[Any]]) -> Task[Any] | None:
    """Take the oldest task; return None if there is none."""
    if queue:
        with suppress(IndexError):  # another worker was faster
            return queue.popleft()
    return None
