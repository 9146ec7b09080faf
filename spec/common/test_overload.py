"""Overload: those who do not read, those who flood, and too many at once."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from harness.conformance.api import Inconclusive, Room, Violation

OFFERED = 128 * 1024 * 1024  # bytes
BOUND = 64 * 1024 * 1024  # bytes of growth, and a MiB for each stalled client; who needs more is offered more
OFFERED_AT_MOST = 4 * OFFERED  # bytes: a heap whose garbage is taken out late has its size by then
RUNAWAY = 512 * 1024 * 1024  # bytes of growth
STALLING = 8 * 1024 * 1024  # bytes that fill every buffer of the kernel on the way to a client
OFFERED_AT_LEAST = 32 * 1024 * 1024  # bytes; who has stopped growing by then has a bound
OFFERING_AT_LEAST_S = 4.0  # to a server that takes them slowly
LEAST_SAMPLES = 4
FLAT = 0.02  # bytes of growth for each byte taken: what is buffered for one client alone is 1
GROWING = 0.25  # likewise, of who has exceeded the bound
OFFERING_S = 25.0
RECOVER_S = 10.0
LONG_S = 3.0  # to take nothing at all
LIGHT = 10  # words of a light sender
SPIN_S, SPIN_SHARE = 2.0, 0.1  # of a core: whoever spins gets more on the busiest machine


@pytest.mark.slow
@pytest.mark.case(63, "LOAD-1")
async def test_one_stalled_reader_does_not_stop_the_others(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    More is offered than any kernel buffers for the stalled one; then the others must hear each other.
    """
    (sleeper,) = await room.join_stalled()
    flooder = await room.join_one()
    taken = await room.flood(flooder, STALLING, seconds=10)
    alice, bob = await room.join(2)
    for _ in range(3):  # a message that comes alone may take another way than a flood
        number = await alice.send_next()
        await room.wait_until(lambda number=number: number in bob.received, 1)  # type: ignore[misc]
    for _ in room.rounds(20, seconds=5):
        await room.barrier(alice, [alice, bob])
        await room.pour(bob, 100_000, size=250, seconds=1)
    sleeper.start_reading()
    await room.barrier_or_closed(alice, sleeper)
    if sleeper.closed:
        note(f"disconnects a client that does not read ({sleeper.bytes_received:,} bytes reached it)")
    else:
        note(f"drops for a client that does not read ({sleeper.bytes_received:,} of {taken:,} bytes reached it)")


@pytest.mark.slow
@pytest.mark.case(64, "LOAD-2")
async def test_memory_is_bounded_with_one_stalled_reader(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while one client reads nothing, fewer to a server that has stopped growing.
    """
    await _offer_to_stalled(room, 1, note)


@pytest.mark.slow
@pytest.mark.case(65, "LOAD-2")
async def test_memory_is_bounded_with_fifty_stalled_readers(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB are offered while fifty clients read nothing, fewer to a server that has stopped growing.
    """
    await _offer_to_stalled(room, 50, note)


@pytest.mark.slow
@pytest.mark.case(83, "LOAD-2")
async def test_memory_is_bounded_with_a_sender_that_never_reads(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-2: A server does not buffer without bound.

    Up to 128 MB of short messages are offered by one who reads nothing of them, nor does another.
    """
    await _offer_to_stalled(room, 1, note, mute=True, size=24)


async def _offer_to_stalled(
    room: Room, count: int, note: Callable[[str], None], *, mute: bool = False, size: int = 0
) -> None:
    await room.join_stalled(count)
    before = room.usage().rss_bytes
    bound = BOUND + count * 1024 * 1024
    samples = [(0, 0)]  # bytes taken, bytes grown

    def runs_away() -> bool:
        return room.usage().rss_bytes - before > RUNAWAY

    def slope() -> float:
        """Return by how many bytes memory has grown for each byte that was taken, over the latter half of them."""
        taken, grown = samples[-1]
        half = next(sample for sample in samples if sample[0] >= taken / 2)
        return (grown - half[1]) / max(1, taken - half[0])

    taken, offered, begun = 0, OFFERED, time.monotonic()
    deadline = begun + OFFERING_S
    (flooder,) = await (room.join_stalled() if mute else room.join())
    while taken < offered and time.monotonic() < deadline:
        left = deadline - time.monotonic()
        took = await room.flood(flooder, 2 * 1024 * 1024, seconds=left, until=runs_away, size=size or None)
        taken += took
        samples.append((taken, room.usage().rss_bytes - before))
        if samples[-1][1] > bound:
            offered = OFFERED_AT_MOST
        if samples[-1][1] > RUNAWAY:
            break
        is_enough = taken >= OFFERED_AT_LEAST or time.monotonic() - begun > OFFERING_AT_LEAST_S
        if is_enough and len(samples) > LEAST_SAMPLES and slope() < FLAT:
            break
        if not took and not flooder.closed:  # it takes nothing more of somebody who does not read: lawful
            break
        if flooder.closed:  # a server may disconnect who does not keep up with its own echo
            (flooder,) = await (room.join_stalled() if mute else room.join())
    grown = max(growth for _, growth in samples)
    note(f"{grown / 1e6:.1f} MB for {taken / 1e6:.0f} MB offered")
    if grown > RUNAWAY or (grown > bound and slope() > GROWING):
        raise Violation(
            f"after {taken / 1e6:.0f} MB were offered to {count} clients that read nothing, memory has grown by "
            f"{grown / 1e6:.0f} MB and still grows; the bound is {bound / 1e6:.0f} MB",
            kind="used",
        )
    if taken < OFFERED and slope() > 0.5:
        raise Inconclusive(
            f"in {OFFERING_S:.0f} s the server took {taken / 1e6:.0f} MB, and its memory was still growing"
        )
    await flooder.reset()
    await room.join(2)


@pytest.mark.slow
@pytest.mark.case(66, "LOAD-3")
async def test_a_stalled_reader_that_resumes_gets_whole_messages_or_the_end(room: Room) -> None:
    """LOAD-3: A client that was slow and reads again receives whole messages in order, or is disconnected.

    It reads on three seconds after everything has overflowed: a part of the common order, then the present, or the
    end.
    """
    (sleeper,) = await room.join_stalled()
    alice, bob = await room.join(2)
    async with anyio.create_task_group() as tasks:
        for one in (alice, bob):
            tasks.start_soon(partial(room.pour, one, 2_500_000, size=200, seconds=6))
    await anyio.sleep(LONG_S)
    await room.pour(alice, 100_000, size=200, seconds=2)
    sleeper.start_reading()
    await room.barrier_or_closed(alice, sleeper)
    await room.barrier_or_closed(bob, sleeper)


@pytest.mark.slow
@pytest.mark.case(67, "LOAD-1")
async def test_a_reader_at_one_kilobyte_a_second_does_not_stop_the_others(room: Room) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    It takes 256 bytes every quarter of a second, while 4 MB are said (or for three seconds).
    """
    (snail,) = await room.join_stalled()
    alice, bob = await room.join(2)

    async def crawl() -> None:
        while snail.closed is None:
            await snail.read_once(256)
            await anyio.sleep(0.25)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crawl)
        for _ in room.rounds(40, seconds=3):
            await room.pour(alice, 100_000, size=250, seconds=1)
            await room.barrier(bob, [alice, bob])
        tasks.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.case(68, "LOAD-4")
async def test_a_sender_that_never_reads_harms_nobody(room: Room) -> None:
    """LOAD-4: A sender that never reads harms no other client.

    It sends 8 MB, or as much as the server takes, and reads none of its own echo.
    """
    alice, bob = await room.join(2)
    (deaf,) = await room.join_stalled()
    # Of an echo in small pieces kernels refuse so much that they take no more of what is sent, long before a server
    # has more than it can get rid of.
    size = min(room.spec.codec.max_body, 4000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, deaf, STALLING, seconds=6, size=size))
        carol, dave = await room.join(2)
        for _ in room.rounds(20, seconds=4):
            await room.barrier(carol, [carol, dave])
    # Those who were there from the start may have been too slow for the flood, and cut off for it.
    for one in (alice, bob):
        await room.barrier_or_closed(carol, one)


@pytest.mark.slow
@pytest.mark.case(69, "LOAD-5")
async def test_a_flood_does_not_starve_a_light_sender(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-5: A flood from one client does not starve a client that sends little.

    While one floods, another wants to hear itself, ten times.
    """
    light, flooder = await room.join(2)
    waits: list[float] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, flooder, 1 << 40, seconds=8, until=lambda: len(waits) >= LIGHT))
        await anyio.sleep(0.1)  # until the flood has risen
        for _ in room.rounds(LIGHT, seconds=8):
            begun = time.monotonic()
            await room.barrier_or_closed(light, light)
            if light.closed:  # it hears the flood as well, and may be cut off for not keeping up with that
                raise Inconclusive("the light sender did not keep up with the flood it heard, and was disconnected")
            waits.append(time.monotonic() - begun)
            await anyio.sleep(0.02)
    note(f"{len(waits)} messages during the flood, the slowest heard after {max(waits) * 1000:.0f} ms")
    assert max(waits) < 5, f"during a flood a light sender waited {max(waits):.1f} s to hear itself"


@pytest.mark.case(70, "LOAD-6")
async def test_two_hundred_unfinished_messages_harm_nobody(room: Room) -> None:
    """LOAD-6: Unfinished messages, however many, harm no other client.

    Two hundred clients send a header, or a header and half a body, and nothing else.
    """
    alice, bob = await room.join(2)
    for turn in range(200):
        guest = await room.connect()
        await guest.send_raw(room.encode(b"x" * 200)[: 1 + (turn % 2) * 100])
    for _ in range(3):
        await room.barrier(alice)
        await room.deliver(bob, [bob.next_body()], [alice, bob])


@pytest.mark.slow
@pytest.mark.case(71, "LOAD-7")
async def test_a_thousand_clients_are_served(room: Room) -> None:
    """LOAD-7: A server serves more than a thousand clients if the descriptor limit allows it.

    1050 join, more than `select` can look at; one speaks, all hear; the last one speaks, all hear.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < 1200:
        pytest.skip(f"only {limit} descriptors are allowed here")
    everybody = await room.join(1050)
    await room.deliver(everybody[0], [b"good morning"], everybody)
    await room.deliver(everybody[-1], [b"and good night"], everybody)


@pytest.mark.slow
@pytest.mark.case(72, "LOAD-8")
async def test_without_descriptors_the_server_survives_and_recovers(room: Room) -> None:
    """LOAD-8: A server that has run out of descriptors survives, does not spin, and accepts again when one is free.

    The limit of open files is lowered to what it uses and twenty more; sixty connect; then forty leave.
    """
    if sys.platform != "linux":
        pytest.skip("the limit of another process can be changed on Linux only")
    alice, bob = await room.join(2)
    used = room.usage().descriptors
    _, hard = resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, (used + 20, hard))
    guests = [await room.connect() for _ in range(60)]
    await room.barrier(alice, [alice, bob])
    before = room.usage().cpu_s
    await anyio.sleep(SPIN_S)
    spent = room.usage().cpu_s - before
    await room.barrier(alice, [alice, bob])
    for guest in guests[:50]:
        await guest.hang_up()
    # Until it has noticed that they left it may still turn newcomers away: lawful, if it ends.
    for _ in room.rounds(100, seconds=RECOVER_S):
        newcomer = await room.connect()
        await room.barrier_or_closed(alice, newcomer)
        if not newcomer.closed:
            break
        await anyio.sleep(0.1)
    assert not newcomer.closed, f"{RECOVER_S:.0f} s after descriptors were free again, it still turns clients away"
    assert spent < SPIN_SHARE * SPIN_S, (
        f"out of descriptors, with nothing to do, it used {spent:.2f} s of processor time in {SPIN_S:.0f} s"
    )


@pytest.mark.case(73, "LOAD-9")
async def test_two_hundred_at_once_are_all_served(room: Room) -> None:
    """LOAD-9: Two hundred clients that connect at the same time are all served.

    All connects are under way at the same moment.
    """
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(room.connect)
    await room.barrier(room.clients[0])
    await room.barrier(room.clients[-1])


@pytest.mark.slow
@pytest.mark.case(74, "LOAD-10")
async def test_an_idle_server_uses_no_processor(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-10: A server with nothing to do uses less than 1 % of a core.

    Twenty clients who say nothing, for two seconds, after five others have come and gone.
    """
    guests = await room.join(25)
    await guests[0].send_raw(room.encode(b"half")[:2])
    for turn, guest in enumerate(guests[:5]):
        await (guest.reset() if turn % 2 else guest.hang_up())
    await room.barrier(guests[-1])
    await anyio.sleep(0.5)
    before, begun = room.usage().cpu_s, time.monotonic()
    await anyio.sleep(2)
    spent, seconds = room.usage().cpu_s - before, time.monotonic() - begun
    note(f"{spent / seconds:.1%} of a core when idle")
    # The kernel counts in ticks of 10 ms: one of them more is no evidence.
    assert spent <= 0.01 * seconds + 0.01, f"idle, it used {spent:.2f} s of processor time in {seconds:.1f} s"
