"""The children that this process has started itself, as opposed to orphans of servers, which it has adopted."""

from __future__ import annotations

pids: set[int] = set()


def mark(pid: int) -> None:
    """Record that this process has started a child."""
    pids.add(pid)


def forget(pid: int) -> None:
    """Forget a child that was marked: it has ended."""
    pids.discard(pid)
