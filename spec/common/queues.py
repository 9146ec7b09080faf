"""Clients that connect to a server that accepts nobody at the moment: as many as its queue takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio

from harness.conformance.api import Client, Room

NEARLY = 3  # descriptors: a server that needs so many for a client has none left
QUEUED_S = 1.0  # a kernel answers at once for a server whose queue has a place


async def connect_many(
    room: Room, count: int, is_full: Callable[[], bool], *, joins: bool = True, queued_s: float = QUEUED_S
) -> list[Client]:
    """Connect so many clients, or as many as there are places for in the queue of a server that accepts nobody.

    Args:
        room: the server.
        count: how many at most.
        is_full: whether the server accepts nobody.
        joins: whether they join.
        queued_s: how long one waits for a place when the server accepts nobody.
    """
    first = len(room.clients)
    for _ in range(count):
        with anyio.move_on_after(queued_s if is_full() else math.inf) as patience:
            await room.connect(joins=joins)
        if patience.cancelled_caught:
            break
    return list(room.clients[first:])


async def connect_to_limit(room: Room, count: int, limit: int, *, joins: bool = True) -> list[Client]:
    """Connect so many clients, or fewer when the server has no descriptor left and its queue no place.

    Args:
        room: the server.
        count: how many at most.
        limit: how many descriptors the server may have.
        joins: whether they join.
    """
    return await connect_many(room, count, lambda: room.usage().descriptors > limit - NEARLY, joins=joins)
