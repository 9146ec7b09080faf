"""A small async executor: tasks, wakers, workers that steal, a reactor, timers, sockets, channels.

Native coroutines, the standard library, Linux (epoll, eventfd). See ../README.md for a tour.
"""

from .channels import Broadcast, Channel, Closed, Full, Lagged, OneShot, Receiver
from .net import Socket
from .run import run, sleep, spawn, yield_now
from .task import Cancelled, Condition, Task, TaskCancelled, current_task, suspend

__all__ = [
    "Broadcast",
    "Cancelled",
    "Channel",
    "Closed",
    "Condition",
    "Full",
    "Lagged",
    "OneShot",
    "Receiver",
    "Socket",
    "Task",
    "TaskCancelled",
    "current_task",
    "run",
    "sleep",
    "spawn",
    "suspend",
    "yield_now",
]
