"""Framing: lengths, split segments, bytes of every kind, and messages that are never finished."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.broadcast.wire import encode


def patterned_body(length: int) -> bytes:
    """Return a body of this length, each of whose bytes differs from its neighbours."""
    return bytes((7 * length + index) % 256 for index in range(length))


@pytest.mark.smoke
@pytest.mark.case(15, "BC-FRAME-1")
async def test_an_empty_message_is_forwarded(room: Room) -> None:
    """BC-FRAME-1: A message is one length byte, 0 to 255, followed by a body of exactly that many bytes, and is
    forwarded in that form.

    The length byte alone: 00.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [b""], [alice, bob])


@pytest.mark.case(16, "BC-FRAME-1")
async def test_a_message_of_one_byte_is_forwarded(room: Room) -> None:
    """BC-FRAME-1: A message is one length byte, 0 to 255, followed by a body of exactly that many bytes, and is
    forwarded in that form.

    Every value of the byte, including those of the length bytes 00 and 01.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [bytes((value,)) for value in range(256)], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(17, "BC-FRAME-1")
async def test_lengths_127_and_128_are_forwarded(room: Room) -> None:
    """BC-FRAME-1: A message is one length byte, 0 to 255, followed by a body of exactly that many bytes, and is
    forwarded in that form.

    A signed length byte becomes negative here.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [patterned_body(127), patterned_body(128), patterned_body(129)], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(18, "BC-FRAME-1")
async def test_the_longest_message_is_forwarded(room: Room) -> None:
    """BC-FRAME-1: A message is one length byte, 0 to 255, followed by a body of exactly that many bytes, and is
    forwarded in that form.

    A body of 255 bytes, 256 bytes in all.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [patterned_body(255), b"\xff" * 255], [alice, bob])


@pytest.mark.case(19, "BC-FRAME-1")
async def test_every_length_is_forwarded(room: Room) -> None:
    """BC-FRAME-1: A message is one length byte, 0 to 255, followed by a body of exactly that many bytes, and is
    forwarded in that form.

    All 256 lengths, one after the other and in one write.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [patterned_body(length) for length in range(256)], [alice, bob], at_once=16)
    await room.deliver(alice, [patterned_body(length)[::-1] for length in range(256)], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(20, "BC-FRAME-2")
async def test_a_header_may_come_alone(room: Room) -> None:
    """BC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    The length byte, then another client's barrier, then the body; with lengths of more than 127 as well.
    """
    *_, alice, bob = await room.join(4)
    for size in (0, 127, 128, 200, 255):
        await _send_in_pieces(room, alice, bob, lambda body: [encode(body)[:1], encode(body)[1:]], size=size)


@pytest.mark.case(21, "BC-FRAME-2")
async def test_a_message_may_come_byte_by_byte(room: Room) -> None:
    """BC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Another client's barrier after each byte.
    """
    *_, alice, bob = await room.join(4)
    await _send_in_pieces(room, alice, bob, lambda body: [bytes((byte,)) for byte in encode(body)])


@pytest.mark.case(22, "BC-FRAME-2")
async def test_messages_may_be_split_at_every_offset(room: Room) -> None:
    """BC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Three messages, one of them empty, split in two at each offset in turn.
    """
    *_, alice, bob = await room.join(4)
    for place in room.rounds(len(_three(b"12345678")) - 1, seconds=120):
        await _send_in_pieces(room, alice, bob, partial(_halves, place + 1), size=8)


def _halves(offset: int, body: bytes) -> list[bytes]:
    data = _three(body)
    return [data[:offset], data[offset:]]


def _three(body: bytes) -> bytes:
    return encode(body) + encode(b"") + encode(body[::-1])


async def _send_in_pieces(
    room: Room, sender: Client, other: Client, split: Callable[[bytes], list[bytes]], *, size: int = 0
) -> None:
    """Send a new body in pieces, with the other client's barrier between them, until both have received one."""
    missing = {sender, other}
    for _ in range(20):
        body = sender.next_body(size)
        first, *rest = split(body)
        await sender.send_raw(first)
        for piece in rest:
            await room.barrier(other)
            await sender.send_raw(piece)
        await room.barrier(sender)
        missing = {client for client in missing if not room.times_received(client, body)}
        if not missing:
            return
    raise AssertionError(
        f"a message sent in {len(rest) + 1} pieces of {len(first)} and {', '.join(str(len(p)) for p in rest[:6])}… "
        "bytes never arrives (20 attempts)"
    )


@pytest.mark.case(23, "BC-FRAME-3")
async def test_many_messages_in_one_segment_stay_whole_and_in_order(room: Room, note: Callable[[str], None]) -> None:
    """BC-FRAME-3: Several messages in one segment are separate messages: those that are forwarded stay whole and in
    order.

    A thousand small messages in one write; the loss of some is not a fault, and is reported.
    """
    alice, bob = await room.join(2)
    numbers = await alice.send(*(alice.next_body() for _ in range(1000)))
    await room.barrier(alice)
    received = set(bob.received) & set(numbers)
    note(f"{len(numbers) - len(received)} of {len(numbers)} lost in the burst")
    for _ in range(20):
        numbers = await alice.send(*(alice.next_body() for _ in range(3)))
        await room.barrier(alice)
        if set(bob.received).intersection(numbers[1:]):
            return
    raise Violation("of three messages in one segment, the second and the third never arrive (20 attempts)")


@pytest.mark.case(24, "BC-FRAME-3")
async def test_fifteen_hundred_empty_messages_are_harmless(room: Room) -> None:
    """BC-FRAME-3: Several messages in one segment are separate messages: those that are forwarded stay whole and in
    order.

    Fifteen hundred zero bytes in one write, which the server finds at once.
    """
    alice, bob = await room.join(2)
    with room.server_paused():
        await alice.send_raw(encode(b"") * 1500)
    await room.barrier(alice)
    await room.deliver(alice, [b"", b"x", b"", b"yz"], [alice, bob])


ODD_BODIES = [
    b"\0",
    b"\0\0\0",
    b"a\0b",
    b"\r\n",
    b"line\r\n",
    b"\n\n",
    b" leading",
    b"trailing ",
    b"\t \t",
    b"\xff\xfe\xfd",
    b"\xc3\x28",
    "zażółć gęślą jaźń 🦓".encode(),
    b"quit",
    b"\x04",
    b"\x1a",
    b"%s%n%x",
    b"\x1b[31mred\x1b[0m",
    b"\x08\x7f\x08 \x07",
    b"\xff\xff",
    b"\xff\xfd\x06\xff\xf4",
    b"\\n\\x00\\",
    b"&lt;<b>&amp;",
    *(bytes((value,)) * 3 for value in range(256)),
    bytes(range(255)),
]


@pytest.mark.smoke
@pytest.mark.case(25, "BC-FRAME-4")
async def test_a_body_is_any_bytes(room: Room) -> None:
    """BC-FRAME-4: A body may contain any bytes and is forwarded unchanged.

    NUL, line ends, white space at both ends, invalid UTF-8, control characters, terminal and telnet escapes, and each
    value three times in a row.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, ODD_BODIES, [alice, bob])


@pytest.mark.case(26, "BC-FRAME-4")
async def test_a_body_may_look_like_messages(room: Room) -> None:
    """BC-FRAME-4: A body may contain any bytes and is forwarded unchanged.

    Bodies that are whole messages, parts of messages, and ready lines.
    """
    alice, _bob = await room.join(2)
    inner = encode(b"hello")
    await room.deliver(alice, [inner, inner * 3, inner[:-1], b"\x05", inner + b"\xff", b"listening on 127.0.0.1:1\n"])


@pytest.mark.case(27, "BC-FRAME-2")
async def test_messages_may_straddle_4096_and_65536_bytes(room: Room) -> None:
    """BC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Messages in one write, with a message across each boundary whose header comes before, on and after the boundary.
    """
    alice, _bob = await room.join(2)
    for boundary in (4096, 65536):
        for shift in (-2, -1, 0, 1, 100):
            bodies: list[bytes] = []
            size = 0
            while size + 256 < boundary + shift:
                bodies.append(alice.next_body(255))
                size += 256
            gap = boundary + shift - size
            if gap > 12:
                bodies.append(alice.next_body(gap - 1))
            bodies += [alice.next_body(200), alice.next_body(200)]
            await alice.send(*bodies)
            await room.barrier(alice)


@pytest.mark.case(28, "BC-FRAME-5")
async def test_halves_of_two_clients_never_mix(room: Room, rng: random.Random) -> None:
    """BC-FRAME-5: Messages of different clients are never mixed.

    The beginning of a message of each in turn, with the rests in the opposite order, until all of it has arrived; then
    messages of eight clients, which the server finds all at the same moment.
    """
    alice, bob, carol, *others = await room.join(8)
    for _ in range(20):
        pieces = []
        for client in (alice, bob):
            data = encode(client.next_body(40)) + encode(client.next_body(3))
            cut = rng.randrange(1, len(data))
            pieces.append((client, data[:cut], data[cut:]))
        for client, first, _ in pieces:
            await client.send_raw(first)
        await room.barrier(carol)
        for client, _, second in reversed(pieces):
            await client.send_raw(second)
    for client in (alice, bob):
        await room.barrier(client)
        await room.deliver(client, [client.next_body(50)], [alice, bob, carol])
    for _ in room.rounds(40, seconds=4):
        with room.server_paused():
            for client in (alice, bob, carol, *others):
                await client.send(*(client.next_body(size) for size in (0, 3, 200)))
        await room.barrier(alice)


@pytest.mark.smoke
@pytest.mark.case(29, "BC-FRAME-6")
async def test_an_unfinished_message_is_not_forwarded_and_blocks_nobody(room: Room) -> None:
    """BC-FRAME-6: An incomplete message is not forwarded and keeps no other client waiting.

    A header alone, and a body without its last byte: no client receives them, and all receive the messages of others.
    """
    alice, bob, carol = await room.join(3)
    await alice.send_raw(encode(b"never finished")[:1])
    await bob.send_raw(encode(b"nearly finished")[:-1])
    for _ in range(3):
        await room.barrier(carol, [alice, bob, carol])
        await room.deliver(carol, [carol.next_body()], [alice, bob, carol])


@pytest.mark.slow
@pytest.mark.case(30, "BC-FRAME-7")
async def test_after_drops_the_stream_is_still_whole_messages(room: Room) -> None:
    """BC-FRAME-7: Only whole messages are dropped.

    A client stalls until its messages have filled every buffer, then resumes reading; three times.
    """
    alice, _bob = await room.join(2)
    for size, total in ((250, 3_000_000), (30, 1_500_000), (101, 2_000_000)):
        (slow,) = await room.join_stalled()
        await room.pour(alice, total, size=size, seconds=6)
        await room.join_one()  # a message to another client is partly written now, or nearly so
        slow.start_reading()
        await room.barrier_or_closed(alice, slow)
        await slow.hang_up()
