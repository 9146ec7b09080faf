"""Helpers for the tests of the executor."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from impls.executor_impl.executor import (
    Socket,
    yield_now,
)
from impls.executor_impl.executor.task import State, Task

STUCK_S = 120.0  # a test that takes longer is ended; none takes a hundredth of that on an idle machine

every_crew = pytest.mark.parametrize("workers", [1, 2, 4])


async def until_idle(task: Task[Any]) -> None:
    """Let other tasks run until this one waits for something, or has ended."""
    while task._state not in (State.IDLE, State.DONE):
        await yield_now()


def pair() -> tuple[Socket, Socket]:
    """Return two sockets that are connected to each other."""
    first, second = socket.socketpair()
    return Socket(first), Socket(second)


class Bench:
    """A scheduler that does nothing by itself, to look at one task step by step."""

    def __init__(self) -> None:
        self.queue: list[Task[Any]] = []

    def schedule(self, task: Task[Any]) -> None:
        self.queue.append(task)

    def ended(self, task: Task[Any]) -> None:
        pass
