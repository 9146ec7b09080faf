"""A small async executor: tasks, work-stealing workers, a reactor, timers, sockets, channels.

Built on native coroutines and the standard library; Linux only (epoll, eventfd). README.md explains how it works.
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
