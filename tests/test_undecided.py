"""Cases that a slow machine left open once: they are decided by what a server does, however long it takes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from harness import plugins
from harness.conformance.api import Client, traffic
from harness.conformance.pool import Watcher, open_pool
from harness.errors import Violation
from harness.history.record import MessageRegistry
from harness.model import Verdict
from tests.zoo import MISFITS, implementation


async def test_a_light_sender_that_does_not_keep_up_with_a_flood_meets_a_gentler_one() -> None:
    """In the first flood, the server disconnects both clients."""
    async with open_pool(plugins.specs()["broadcast"], jobs=1, arguments=["-k", "flood_does_not_starve"]) as pool:
        (result,) = await pool.check([implementation(MISFITS / "disconnects_two.py")], Watcher())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize(("at_least", "expected"), [(1, [0]), (17, list(range(17)))])
def test_a_slow_server_has_a_least_number_of_rounds(
    at_least: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 5))
    monkeypatch.setattr(traffic, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert list(traffic.rounds(100, seconds=6, at_least=at_least)) == expected


class LossyRoom:
    """Clients whose messages get through by a rule, which is given each write and returns what arrives."""

    def __init__(self, rule: Callable[[Sequence[bytes]], Sequence[bytes]]) -> None:
        self.messages, self.barriers = MessageRegistry(), 0
        self.client = cast("Client", SimpleNamespace(number=0, received=[], send=self.send, send_next=self.send_next))
        self.rule = rule

    async def send(self, *bodies: bytes) -> None:
        self.client.received.extend(self.messages.register(0, body) for body in self.rule(bodies))

    async def send_next(self, *, as_step: bool) -> None:
        await self.send(b"one more")

    async def barrier(self) -> None:
        self.barriers += 1

    async def deliver(self, count: int) -> int:
        bodies = [b"%d" % number for number in range(count)]
        return await traffic.deliver(
            self.client, bodies, [self.client], at_once=256, messages=self.messages, barrier=self.barrier
        )


async def test_what_is_lost_at_random_is_sent_again_in_few_rounds() -> None:
    """A server that is late for everything is never decided otherwise."""
    chance = random.Random(1)
    room = LossyRoom(lambda bodies: [body for body in bodies if chance.random() > 0.3])
    assert await room.deliver(256) > 50
    assert room.barriers < 20


@pytest.mark.parametrize("places", [1, 3, 200])
async def test_a_server_with_a_short_queue_delivers_all(places: int) -> None:
    room = LossyRoom(lambda bodies: bodies[:places])
    await room.deliver(256)
    assert {room.messages.bodies[number] for number in room.client.received} == {b"%d" % n for n in range(256)}


async def test_what_never_arrives_is_a_violation() -> None:
    room = LossyRoom(lambda bodies: [body for body in bodies if body != b"7"])
    with pytest.raises(Violation, match='never received "7"'):
        await room.deliver(256)
