"""Frames: lengths, split segments, frames that are never finished, and payloads that are not requests."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.invalid import INVALID_PAYLOADS
from spec.groupchat.membership import (
    INVALID_FRAME,
    answers,
    connect_guest,
    join_as,
    join_frame,
    must_refuse,
    notices,
    send_and_get_answer,
    wait_for,
)
from spec.groupchat.messages import Joined, Left, Refused, Reply, Said, Welcome
from spec.groupchat.wire import encode_frame, encode_reply, encode_say, encode_varint

CLAIM_BOUND = 64 * 1024 * 1024  # bytes by which a server may grow, whatever length is claimed
CLAIM = 256 * 1024 * 1024  # bytes
CLAIMS = (3, 127, 128, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
CLAIMS += tuple(2**bits + 2 for bits in (8, 16, 32, 35, 63, 64))  # the right length, when the high bits are lost
MANY = 1100  # more than are waiting where a queue has a thousand places
TWO_BYTES = 300  # bytes of a text: the length of its frame, and its own length, have two bytes that are not zero
HEADERS = 6  # bytes of the length, the tag and the length of such a text, and the first byte of it
TRIES = 20


def patterned_text(length: int) -> bytes:
    """Return a text of this length, each of whose bytes differs from its neighbours."""
    return bytes(33 + (7 * length + index) % 90 for index in range(length))


@pytest.mark.smoke
@pytest.mark.case(101, "GC-FRAME-1")
async def test_frames_of_all_lengths_are_understood(room: Room) -> None:
    """GC-FRAME-1: A frame is the length of its payload in two bytes, high byte first, and that payload: one Request
    from a client, one Reply from a server, in the binary format of serdy.

    Lengths around those at which the second byte of the length or of the varint before the text becomes non-zero, and
    at which a signed byte becomes negative.
    """
    alice, bob = await room.join(2)
    lengths = (0, 1, 125, 126, 127, 128, 129, 252, 253, 254, 255, 256, 257, 16_383, 16_384, 32_763, 32_764, 32_768)
    await room.deliver(alice, [patterned_text(length) for length in lengths], [alice, bob], at_once=4)


@pytest.mark.smoke
@pytest.mark.case(102, "GC-FRAME-2")
async def test_a_frame_may_come_byte_by_byte(room: Room) -> None:
    """GC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Another client's barrier after each byte, from the first byte of Join on.
    """
    alice, bob = await room.join(2)
    missing, hears_itself = {alice, bob}, False
    for _ in range(TRIES):
        late = await room.connect(joins=False)
        body = late.next_body()
        for byte in room.spec.codec.encode_join(late.number) + room.encode(body):
            await late.send_raw(bytes((byte,)))
            await room.barrier(alice, [alice, bob])
        await room.barrier(late, [alice, bob, late])
        missing = {client for client in missing if not room.times_received(client, body)}
        hears_itself = hears_itself or room.times_received(late, body) > 0
        if not missing and hears_itself:
            return
    raise Violation(f"a Say that is sent byte by byte after a Join never arrives ({TRIES} attempts)")


@pytest.mark.case(103, "GC-FRAME-2")
async def test_frames_may_be_split_at_every_offset(room: Room) -> None:
    """GC-FRAME-2: However TCP splits the bytes of a message, it is the same message.

    Three frames, one of them with an empty text, split in two at each offset in turn; then a frame whose length has
    two bytes that are not zero, split in its header; then a long frame in many pieces.
    """
    *_, alice, bob = await room.join(4)
    for place in room.rounds(len(_three(room, b"12345678")) - 1, seconds=120):
        await _send_in_pieces(room, alice, bob, partial(_halves, room, place + 1), size=8)
    for place in room.rounds(HEADERS - 1, seconds=120):
        await _send_in_pieces(room, alice, bob, partial(_header_and_rest, room, place + 1), size=TWO_BYTES)
    await _send_in_pieces(room, alice, bob, partial(_pieces, room), size=30_000)


def _three(room: Room, body: bytes) -> bytes:
    return room.encode(body) + room.encode(b"") + room.encode(body[::-1])


def _halves(room: Room, offset: int, body: bytes) -> list[bytes]:
    data = _three(room, body)
    return [data[:offset], data[offset:]]


def _header_and_rest(room: Room, offset: int, body: bytes) -> list[bytes]:
    data = room.encode(body)
    return [data[:offset], data[offset:]]


def _pieces(room: Room, body: bytes) -> list[bytes]:
    data = room.encode(body)
    return [data[start : start + 4096] for start in range(0, len(data), 4096)]


async def _send_in_pieces(
    room: Room, sender: Client, other: Client, split: Callable[[bytes], list[bytes]], *, size: int
) -> None:
    """Send a new body in pieces, with the other client's barrier between them, until both have received one."""
    missing = {sender, other}
    for _ in range(TRIES):
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
    raise Violation(f"a frame that is sent in pieces of {len(first)}, {len(rest[0])}… bytes never arrives")


@pytest.mark.case(104, "GC-FRAME-3")
async def test_many_frames_in_one_segment_stay_whole_and_in_order(room: Room) -> None:
    """GC-FRAME-3: Several messages in one segment are separate messages: those that are forwarded stay whole and in
    order.

    A thousand small frames in one write, then frames across 4,096 and 65,536 bytes, then three at a time until the
    second or the third has arrived.
    """
    alice, bob = await room.join(2)
    await alice.send(*(alice.next_body() for _ in range(1000)))
    await alice.send(*(alice.next_body(1000 + step) for step in range(80)))
    await room.barrier(alice)
    for _ in range(TRIES):
        numbers = await alice.send(*(alice.next_body() for _ in range(3)))
        await room.barrier(alice)
        if set(bob.received).intersection(numbers[1:]):
            return
    raise Violation(f"of three messages in one segment, the second and the third never arrive ({TRIES} attempts)")


@pytest.mark.case(105, "GC-FRAME-5")
async def test_halves_of_two_clients_never_mix(room: Room, rng: random.Random) -> None:
    """GC-FRAME-5: Messages of different clients are never mixed.

    The beginning of a frame of each in turn, with the rests in the opposite order, until all of it has arrived.
    """
    alice, bob, carol = await room.join(3)
    for _ in range(TRIES):
        pieces = []
        for client in (alice, bob):
            data = room.encode(client.next_body(40)) + room.encode(client.next_body(3))
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


@pytest.mark.smoke
@pytest.mark.case(106, "GC-FRAME-6")
async def test_an_unfinished_frame_is_not_forwarded_and_blocks_nobody(room: Room) -> None:
    """GC-FRAME-6: An incomplete message is not forwarded and keeps no other client waiting.

    One byte of the length, and a payload without its last byte, from a member and from a guest; all receive the
    messages of others.
    """
    alice, bob, carol = await room.join(3)
    stranger = await connect_guest(room)
    await alice.send_raw(room.encode(b"never finished")[:1])
    await bob.send_raw(room.encode(b"nearly finished")[:-1])
    await stranger.send_raw(room.spec.codec.encode_join(stranger.number)[:-1])
    for _ in range(3):
        await room.barrier(carol, [alice, bob, carol])
        await room.deliver(carol, [carol.next_body()], [alice, bob, carol])


@pytest.mark.slow
@pytest.mark.case(107, "GC-FRAME-7")
async def test_after_drops_the_stream_is_still_whole_frames(room: Room) -> None:
    """GC-FRAME-7: Only whole messages are dropped.

    A client stalls until its messages have filled every buffer, then resumes reading; with short texts and with long
    ones.
    """
    alice, _bob = await room.join(2)
    for size, total in ((250, 3_000_000), (3001, 4_000_000), (20_000, 6_000_000)):
        (slow,) = await room.join_stalled()
        await room.pour(alice, total, size=size, seconds=3)
        slow.start_reading()
        await room.barrier_or_closed(alice, slow)
        await slow.hang_up()


@pytest.mark.smoke
@pytest.mark.case(108, "GC-ASK-1")
async def test_a_payload_that_is_no_request_is_refused_and_the_connection_lives(room: Room) -> None:
    """GC-ASK-1: A payload that is not a Request is refused, and the frames after it are read as usual.

    From a member and from a guest: invalid tags, lengths and UTF-8, bytes left over, and an empty payload.
    """
    alice, bob = await room.join(2)
    stranger = await connect_guest(room)
    payloads = list(INVALID_PAYLOADS.items())
    for place in room.rounds(len(payloads), seconds=120):
        what, payload = payloads[place]
        for client in (alice, stranger):
            await must_refuse(client, encode_frame(payload), what)
    await room.deliver(alice, [b"still here"], [alice, bob])
    await send_and_get_answer(stranger, room.spec.codec.encode_join(stranger.number))
    await room.deliver(stranger, [b"and so am I"], [alice, bob, stranger])


@pytest.mark.case(109, "GC-ASK-1")
async def test_what_follows_nonsense_in_the_same_segment_is_served(room: Room) -> None:
    """GC-ASK-1: A payload that is not a Request is refused, and the frames after it are read as usual.

    Invalid payloads and Says alternate in one write, until the last Say has arrived.
    """
    alice, bob = await room.join(2)
    for _ in range(TRIES):
        bodies = [alice.next_body() for _ in range(len(INVALID_PAYLOADS))]
        pairs = zip(INVALID_PAYLOADS.values(), bodies, strict=True)
        frames = (encode_frame(payload) + room.encode(body) for payload, body in pairs)
        await send_and_get_answer(alice, b"".join(frames), count=len(INVALID_PAYLOADS))
        await room.barrier(alice)
        if all(room.times_received(bob, body) for body in bodies[-1:]):
            return
    raise Violation(f"a Say after an invalid payload in the same segment never arrives ({TRIES} attempts)")


@pytest.mark.slow
@pytest.mark.case(113, "GC-ROOM-4", "GC-ASK-3")
async def test_more_than_a_thousand_refusals_at_once_are_received(room: Room) -> None:
    """GC-ROOM-4: Welcome, Refused, Joined and Left are not dropped for a client that reads.
    GC-ASK-3: Whatever is refused is answered by one Refused, to its sender and no other client; it changes nothing, and
    the connection stays open.

    A member sends eleven hundred invalid frames, all of which the server finds at the same moment.
    """
    alice, bob = await room.join(2)
    before = len(answers(alice))
    with room.server_paused():
        await alice.send_raw(INVALID_FRAME * MANY)
    await wait_for(alice, lambda: len(answers(alice)) >= before + MANY, f"{MANY} times Refused")
    await room.deliver(alice, [b"still here"], [alice, bob])
    assert len(answers(alice)) == before + MANY, f"{MANY} requests got {len(answers(alice)) - before} answers"


@pytest.mark.case(110, "GC-ASK-2")
async def test_a_length_is_only_a_claim(room: Room) -> None:
    """GC-ASK-2: A length inside a payload is only a claim: it is checked against the bytes that are present before it
    is used.

    Names and texts that claim lengths from one byte too many up to 2**64 - 1, lengths that are right when their high
    bits are lost, and varints without an end; then a quarter of a gigabyte, ten times. All are refused, and memory does
    not grow accordingly.
    """
    alice, bob = await room.join(2)
    stranger = await connect_guest(room)
    before = peak(room)
    for size in CLAIMS:
        for client, tag in ((stranger, b"\x00"), (alice, b"\x01")):  # the other way round it is refused anyway
            await must_refuse(client, encode_frame(tag + encode_varint(size) + b"hi"), f"a length of {size}")
    for endless in (b"\x01" + b"\xff" * 9 + b"\x7f", b"\x01" + b"\x80" * 20 + b"\x01", b"\x01" + b"\xff" * 60_000):
        await must_refuse(alice, encode_frame(endless), "a length without an end")
    for _ in range(10):
        await must_refuse(alice, encode_frame(b"\x01" + encode_varint(CLAIM) + b"hi"), f"a length of {CLAIM}")
    grown = peak(room) - before
    assert grown < CLAIM_BOUND, f"a length of {CLAIM} was claimed, and memory temporarily grew by {grown / 1e6:.0f} MB"
    await room.deliver(bob, [b"still here"], [alice, bob])


def peak(room: Room) -> int:
    """Return the peak memory of the server's process in bytes, or its present memory where the peak is not known."""
    status = Path(f"/proc/{room.server.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return max([room.usage().rss_bytes, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))])


@pytest.mark.smoke
@pytest.mark.case(111, "GC-ASK-3")
async def test_refused_is_sent_once_to_its_sender_and_to_nobody_else(room: Room) -> None:
    """GC-ASK-3: Whatever is refused is answered by one Refused, to its sender and no other client; it changes nothing,
    and the connection stays open.

    From a member and from a guest: the name of a member, the empty name, a long text, an invalid payload, replies. Also
    a second Join, and a Say from a guest. The others receive nothing of this.
    """
    alice, bob = await room.join(2)
    before = len(notices(bob))  # includes alice's Joined if bob was served first
    await join_as(room, "zoe")
    stranger, other = await connect_guest(room), await connect_guest(room)
    taken, long = room.spec.codec.encode_join(bob.number), encode_say(b"~" * 32_769)
    both = {"the name of a member": taken, "the empty name": join_frame(""), "a text of 32,769 bytes": long}
    replies: list[Reply] = [Welcome(["yan"]), Joined("yan"), Left("zoe"), Left(alice.name or ""), Said("zoe", "hello")]
    both |= {"an invalid payload": INVALID_FRAME, **{repr(reply): encode_reply(reply) for reply in replies}}
    of_guest = {**both, "a Say from a guest": encode_say(b"hello?")}
    of_member = {**both, "a second Join": room.spec.codec.encode_join(999)}
    for client, requests in ((stranger, of_guest), (alice, of_member)):
        for what, data in requests.items():
            await must_refuse(client, data, what)
    for client in (alice, bob):
        await room.barrier(client, [alice, bob])
    await must_refuse(other, INVALID_FRAME, "an invalid payload")
    for client, count in ((alice, len(of_member)), (bob, 0), (stranger, len(of_guest)), (other, 1)):
        refused = [answer for answer in answers(client) if isinstance(answer, Refused)]
        assert len(refused) == count, (
            f"{client} made {count} requests to be refused, and received {len(refused)} Refused: {refused}"
        )
    new = notices(bob)[before:]
    assert new == [Joined("zoe")], f"only zoe joined, but {bob} received the notices {new}"
    await room.deliver(alice, [b"I am still here"], [alice, bob])
