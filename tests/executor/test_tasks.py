"""Tasks: results and errors, scheduling, states; and the imports of the package."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from impls.executor_impl import executor
from impls.executor_impl.executor import (
    current_task,
    run,
    spawn,
    suspend,
    yield_now,
)
from impls.executor_impl.executor.scheduler import current_executor
from impls.executor_impl.executor.task import State, Task
from tests.executor.kit import Bench, every_crew


@every_crew
def test_run_returns_what_main_returns_and_join_what_a_task_returns(workers: int) -> None:
    async def double(number: int) -> int:
        await yield_now()
        return 2 * number

    async def main() -> int:
        tasks = [spawn(double(number)) for number in range(100)]
        return sum([await task.join() for task in tasks])

    assert run(main(), workers=workers) == 9900


def test_join_raises_the_error_of_the_task() -> None:
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


def test_an_error_of_a_task_that_is_never_joined_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async def fails() -> None:
        raise LookupError("never joined")

    async def main() -> None:
        spawn(fails())
        await yield_now()

    run(main())
    assert "LookupError: never joined" in capsys.readouterr().err


def test_every_task_has_its_turn() -> None:
    """Two tasks that run again and again do not starve a third."""
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


def test_outside_of_tasks_there_is_no_current_task() -> None:
    async def main() -> None:
        await yield_now()

    run(main())
    with pytest.raises(RuntimeError):
        current_task()
    with pytest.raises(RuntimeError):
        current_executor()


def test_wake_ups_in_every_state() -> None:
    bench = Bench()

    async def sleeper() -> None:
        await suspend()
        task.wake()  # RUNNING: it must run again
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


def test_it_imports_nothing_but_itself_and_the_standard_library() -> None:
    for file in Path(executor.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
