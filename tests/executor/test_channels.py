"""Channels: for one value, a bounded queue, and a broadcast."""

from __future__ import annotations

from contextlib import suppress

import pytest

from impls.executor_impl import executor
from impls.executor_impl.executor import (
    Broadcast,
    Channel,
    Closed,
    Full,
    Lagged,
    OneShot,
    run,
    spawn,
    yield_now,
)
from tests.executor.kit import every_crew, until_idle


def test_one_shot() -> None:
    async def main() -> None:
        shot: OneShot[str] = OneShot()
        waiting = [spawn(shot.recv()) for _ in range(2)]
        await until_idle(waiting[1])
        shot.send("bang")
        shot.close()  # too late to matter
        assert [await task.join() for task in waiting] == ["bang", "bang"]
        with pytest.raises(Closed):
            shot.send("again")
        empty: OneShot[str] = OneShot()
        task = spawn(empty.recv())
        await until_idle(task)
        empty.close()
        with pytest.raises(Closed):
            await task.join()

    run(main())


@every_crew
def test_a_bounded_channel_keeps_every_senders_order_and_its_bound(workers: int) -> None:
    async def produce(channel: Channel[tuple[int, int]], me: int) -> None:
        for number in range(300):
            await channel.send((me, number))

    async def main() -> None:
        channel: Channel[tuple[int, int]] = Channel(3)
        senders = [spawn(produce(channel, me)) for me in range(5)]
        received = []
        for _ in range(5 * 300):
            received.append(await channel.recv())
            assert len(channel._values) <= 3
        for sender in senders:
            await sender.join()
        for me in range(5):
            assert [number for sender_number, number in received if sender_number == me] == list(range(300))

    run(main(), workers=workers)


def test_a_channel_that_is_full_or_closed() -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(1)
        channel.send_now(1)
        with pytest.raises(Full):
            channel.send_now(2)
        late = spawn(channel.send(2))
        await until_idle(late)
        channel.close()
        with pytest.raises(Closed):
            await late.join()
        with pytest.raises(Closed):
            channel.send_now(3)
        assert await channel.recv() == 1
        with pytest.raises(Closed):
            await channel.recv()
        empty: Channel[int] = Channel(1)
        receiver = spawn(empty.recv())
        await until_idle(receiver)
        empty.close()
        with pytest.raises(Closed):
            await receiver.join()

    run(main())


@every_crew
def test_a_broadcast_is_one_order_for_all(workers: int) -> None:
    async def listen(receiver: executor.Receiver[int]) -> list[int]:
        received = []
        with suppress(Closed):
            while True:
                received.append(await receiver.recv())
        return received

    async def publish(channel: Broadcast[int], numbers: range) -> None:
        for number in numbers:
            channel.send(number)
            await yield_now()

    async def main() -> None:
        channel: Broadcast[int] = Broadcast(1000)
        listeners = [spawn(listen(channel.subscribe())) for _ in range(5)]
        for publisher in [spawn(publish(channel, range(n, 400, 4))) for n in range(4)]:
            await publisher.join()
        channel.close()
        first, *rest = [await task.join() for task in listeners]
        assert sorted(first) == list(range(400))
        assert all(received == first for received in rest)

    run(main(), workers=workers)


def test_a_slow_receiver_of_a_broadcast_learns_what_it_missed() -> None:
    async def main() -> None:
        channel: Broadcast[int] = Broadcast(3)
        channel.send(-1)
        slow = channel.subscribe()
        for number in range(5):
            channel.send(number)
        with pytest.raises(Lagged) as caught:
            await slow.recv()
        assert caught.value.missed == 2
        assert [await slow.recv() for _ in range(3)] == [2, 3, 4]
        waiting = spawn(slow.recv())
        await until_idle(waiting)
        channel.send(5)
        assert await waiting.join() == 5
        channel.close()
        with pytest.raises(Closed):
            channel.send(6)
        with pytest.raises(Closed):
            await slow.recv()

    run(main())
