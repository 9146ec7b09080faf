"""Overload: clients that do not read, clients that flood, and too many clients at once."""

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
BOUND = 64 * 1024 * 1024  # bytes of growth, and a MiB for each stalled client; a server that exceeds it is offered more
OFFERED_AT_MOST = 4 * OFFERED  # bytes: a heap whose garbage is collected late has reached its size by then
RUNAWAY = 512 * 1024 * 1024  # bytes of growth
STALLING = 8 * 1024 * 1024  # bytes: more than the kernel buffers on the way to a client
OFFERED_AT_LEAST = 32 * 1024 * 1024  # bytes; memory that has stopped growing by then has a bound
OFFERING_AT_LEAST_S = 4.0  # to a server that takes them slowly
LEAST_SAMPLES = 4
FLAT = 0.02  # bytes of growth for each byte taken; a server that buffers it all for one client has 1
GROWING = 0.25  # likewise, for a server that has exceeded the bound
OFFERING_S = 25.0
RECOVER_S = 10.0
LONG_S = 3.0  # a long time for a client to read nothing
LIGHT = 10  # messages of a light sender
SPIN_S, SPIN_SHARE = 2.0, 0.1  # of a core: a server that spins gets more even on a busy machine


@pytest.mark.slow
@pytest.mark.case(63, "LOAD-1")
async def test_one_stalled_reader_does_not_stop_the_others(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    More is offered than any kernel buffers for the stalled client; then the others must receive from each other.
    """
    (stalled,) = await room.join_stalled()
    flooder = await room.join_one()
    taken = await room.flood(flooder, STALLING, seconds=10)
    alice, bob = await room.join(2)
    for _ in range(3):  # a single message may take another path in the server than a flood
        number = await alice.send_next()
        await room.wait_until(lambda number=number: number in bob.received, 1)  # type: ignore[misc]
    for _ in room.rounds(20, seconds=5):
        await room.barrier(alice, [alice, bob])
        await room.pour(bob, 100_000, size=250, seconds=1)
    stalled.start_reading()
    await room.barrier_or_closed(alice, stalled)
    if stalled.closed:
        note(f"disconnects a client that does not read ({stalled.bytes_received:,} bytes reached it)")
    else:
        note(f"drops for a client that does not read ({stalled.bytes_received:,} of {taken:,} bytes reached it)")


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

    Up to 128 MB of short messages are offered by a client that reads none of them; another one reads nothing either.
    """
    await _offer_to_stalled(room, 1, note, sender_reads=False, size=24)


async def _offer_to_stalled(
    room: Room, count: int, note: Callable[[str], None], *, sender_reads: bool = True, size: int = 0
) -> None:
    await room.join_stalled(count)
    before = room.usage().rss_bytes
    bound = BOUND + count * 1024 * 1024
    samples = [(0, 0)]  # bytes taken, bytes grown

    def runs_away() -> bool:
        return room.usage().rss_bytes - before > RUNAWAY

    def slope() -> float:
        """Return the bytes by which memory has grown for each byte taken, over the latter half of them."""
        taken, grown = samples[-1]
        half = next(sample for sample in samples if sample[0] >= taken / 2)
        return (grown - half[1]) / max(1, taken - half[0])

    taken, offered, begun = 0, OFFERED, time.monotonic()
    deadline = begun + OFFERING_S
    (flooder,) = await (room.join() if sender_reads else room.join_stalled())
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
        if not took and not flooder.closed:  # it takes nothing more from a client that does not read: allowed
            break
        if flooder.closed:  # a server may disconnect a client that does not keep up with its own echo
            (flooder,) = await (room.join() if sender_reads else room.join_stalled())
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

    It resumes three seconds after all buffers are full: it receives a part of the common order and then current
    messages, or the end of the stream.
    """
    (stalled,) = await room.join_stalled()
    alice, bob = await room.join(2)
    async with anyio.create_task_group() as tasks:
        for sender in (alice, bob):
            tasks.start_soon(partial(room.pour, sender, 2_500_000, size=200, seconds=6))
    await anyio.sleep(LONG_S)
    await room.pour(alice, 100_000, size=200, seconds=2)
    stalled.start_reading()
    await room.barrier_or_closed(alice, stalled)
    await room.barrier_or_closed(bob, stalled)


@pytest.mark.slow
@pytest.mark.case(67, "LOAD-1")
async def test_a_reader_at_one_kilobyte_a_second_does_not_stop_the_others(room: Room) -> None:
    """LOAD-1: A client that does not read, or reads slowly, does not stop the other clients.

    It reads 256 bytes every quarter of a second, while 4 MB are sent (or for three seconds).
    """
    (slow,) = await room.join_stalled()
    alice, bob = await room.join(2)

    async def read_slowly() -> None:
        while slow.closed is None:
            await slow.read_once(256)
            await anyio.sleep(0.25)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_slowly)
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
    (stalled,) = await room.join_stalled()
    # An echo in small messages fills the kernel's memory early: it takes no more from the sender, long before the
    # server has a backlog.
    size = min(room.spec.codec.max_body, 4000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, stalled, STALLING, seconds=6, size=size))
        carol, dave = await room.join(2)
        for _ in room.rounds(20, seconds=4):
            await room.barrier(carol, [carol, dave])
    # Clients that received the flood may have been too slow for it, and disconnected.
    for client in (alice, bob):
        await room.barrier_or_closed(carol, client)


@pytest.mark.slow
@pytest.mark.case(69, "LOAD-5")
async def test_a_flood_does_not_starve_a_light_sender(room: Room, note: Callable[[str], None]) -> None:
    """LOAD-5: A flood from one client does not starve a client that sends little.

    While one client floods, another waits for its own message, ten times.
    """
    light, flooder = await room.join(2)
    waits: list[float] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(room.flood, flooder, 1 << 40, seconds=8, until=lambda: len(waits) >= LIGHT))
        await anyio.sleep(0.1)  # until the flood has begun
        for _ in room.rounds(LIGHT, seconds=8):
            begun = time.monotonic()
            await room.barrier_or_closed(light, light)
            if light.closed:  # it receives the flood as well, and may be disconnected for not keeping up
                raise Inconclusive("the light sender did not keep up with the flood, and was disconnected")
            waits.append(time.monotonic() - begun)
            await anyio.sleep(0.02)
    note(f"{len(waits)} messages during the flood, the slowest received after {max(waits) * 1000:.0f} ms")
    assert max(waits) < 5, f"during a flood a light sender waited {max(waits):.1f} s for its own message"


@pytest.mark.case(70, "LOAD-6")
async def test_two_hundred_unfinished_messages_harm_nobody(room: Room) -> None:
    """LOAD-6: Unfinished messages, however many, harm no other client.

    Two hundred clients send a header, or a header and half a body, and nothing else.
    """
    alice, bob = await room.join(2)
    for turn in range(200):
        client = await room.connect()
        await client.send_raw(room.encode(b"x" * 200)[: 1 + (turn % 2) * 100])
    for _ in range(3):
        await room.barrier(alice)
        await room.deliver(bob, [bob.next_body()], [alice, bob])


@pytest.mark.slow
@pytest.mark.case(71, "LOAD-7")
async def test_a_thousand_clients_are_served(room: Room) -> None:
    """LOAD-7: A server serves more than a thousand clients if the descriptor limit allows it.

    1050 clients join, more than `select` can watch; all receive what the first one sends, and the last one.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < 1200:
        pytest.skip(f"only {limit} descriptors are allowed here")
    clients = await room.join(1050)
    await room.deliver(clients[0], [b"good morning"], clients)
    await room.deliver(clients[-1], [b"and good night"], clients)


@pytest.mark.slow
@pytest.mark.case(72, "LOAD-8")
async def test_without_descriptors_the_server_survives_and_recovers(room: Room) -> None:
    """LOAD-8: A server that has run out of descriptors survives, does not spin, and accepts again when one is free.

    The limit of open files is lowered to twenty above what it uses; sixty clients connect; then fifty leave.
    """
    if sys.platform != "linux":
        pytest.skip("the limit of another process can be changed on Linux only")
    alice, bob = await room.join(2)
    used = room.usage().descriptors
    _, hard = resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(room.server.pid, resource.RLIMIT_NOFILE, (used + 20, hard))
    clients = [await room.connect() for _ in range(60)]
    await room.barrier(alice, [alice, bob])
    before = room.usage().cpu_s
    await anyio.sleep(SPIN_S)
    spent = room.usage().cpu_s - before
    await room.barrier(alice, [alice, bob])
    for client in clients[:50]:
        await client.hang_up()
    # Until it has noticed that they left it may still turn clients away: allowed, if it ends.
    for _ in room.rounds(100, seconds=RECOVER_S):
        joining = await room.connect()
        await room.barrier_or_closed(alice, joining)
        if not joining.closed:
            break
        await anyio.sleep(0.1)
    assert not joining.closed, f"{RECOVER_S:.0f} s after descriptors were free again, it still turns clients away"
    assert spent < SPIN_SHARE * SPIN_S, (
        f"out of descriptors, with nothing to do, it used {spent:.2f} s of processor time in {SPIN_S:.0f} s"
    )


@pytest.mark.case(73, "LOAD-9")
async def test_two_hundred_at_once_are_all_served(room: Room) -> None:
    """LOAD-9: Two hundred clients that connect at the same time are all served.

    All connect at the same moment.
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

    Twenty clients that send nothing, for two seconds, after five others have come and gone.
    """
    clients = await room.join(25)
    await clients[0].send_raw(room.encode(b"half")[:2])
    for turn, client in enumerate(clients[:5]):
        await (client.reset() if turn % 2 else client.hang_up())
    await room.barrier(clients[-1])
    await anyio.sleep(0.5)
    before, begun = room.usage().cpu_s, time.monotonic()
    await anyio.sleep(2)
    spent, seconds = room.usage().cpu_s - before, time.monotonic() - begun
    note(f"{spent / seconds:.1%} of a core when idle")
    # The kernel counts in ticks of 10 ms: one of them more is no evidence.
    assert spent <= 0.01 * seconds + 0.01, f"idle, it used {spent:.2f} s of processor time in {seconds:.1f} s"
