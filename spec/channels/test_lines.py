"""Lines: split segments, encodings of JSON, and the strings that a message may be."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from functools import partial

import pytest

from harness.conformance.api import Room, Violation
from spec.channels.replies import encode_lines, replies_to, send_until_received, subscribe
from spec.channels.wire import MAX_BODY, Error, Send, Subscribe, Subscribed, body_of

PIPELINED = 100  # channels
BYTE_BY_BYTE_S = 60.0  # of waiting after each byte; a late server need not be waited for after all of them


@pytest.mark.smoke
@pytest.mark.case(101, "CH-LINE-1")
async def test_requests_and_replies_are_lines_of_json(room: Room) -> None:
    """CH-LINE-1: Each request and each reply is one JSON value on a line of its own, which ends with LF.

    The two requests and the three replies, and a message with a line break in it.
    """
    alice, bob = await room.join(2)
    await subscribe(bob, "rust")
    replies = await replies_to(alice, b'{"Subscribe":"rust"}\n{"Send":{"channel":"rust","message":"hi"}}\n?\n')
    assert len(replies) == 2 and replies[0] == Subscribed("rust") and isinstance(replies[1], Error), (
        f"a Subscribe, a Send and an invalid request were answered by {replies}"
    )
    await room.deliver(alice, [body_of("rust", 'This is a chat message! "yo"'), body_of("rust", "two\nlines\n")], [bob])


@pytest.mark.smoke
@pytest.mark.case(102, "CH-LINE-2")
async def test_a_line_may_come_byte_by_byte(room: Room) -> None:
    """CH-LINE-2: However TCP splits the bytes of a line, it is the same line.

    Another client's barrier after each byte (for a minute at most), within characters of two, three and four bytes as
    well.
    """
    alice, bob = await room.join(2)
    message = "zażółć 馬 🦓"
    line = encode_lines(Subscribe("slow"), Send("slow", message))
    begun = time.monotonic()
    for _ in range(20):
        for place in range(len(line)):
            await alice.send_raw(line[place : place + 1])
            if time.monotonic() - begun < BYTE_BY_BYTE_S:
                await room.barrier(bob)
        await room.barrier(alice)
        if room.times_received(alice, body_of("slow", message)):
            return
    raise Violation("a message that is sent byte by byte never arrives (20 attempts)")


@pytest.mark.case(103, "CH-LINE-2")
async def test_a_line_may_be_split_at_every_offset(room: Room, rng: random.Random) -> None:
    """CH-LINE-2: However TCP splits the bytes of a line, it is the same line.

    Three requests, with an escape, a character of four bytes and a CR LF, split in two at each offset, in random order,
    for a minute at most.
    """
    alice, bob = await room.join(2)
    await subscribe(alice, "é")
    three = b'{"Subscribe":"\\u00e9"}\r\n{"Send":{"channel":"zoo","message":"\\ud83e\\udd93 \xf0\x9f\xa6\x93"}}\n'
    three += encode_lines(Send("é", "z"))
    offsets = list(range(1, len(three)))
    rng.shuffle(offsets)  # a late server need not be asked about all of them
    for offset in (offsets[turn] for turn in room.rounds(len(offsets), seconds=60)):
        since = len(alice.notes)
        await alice.send_raw(three[:offset])
        await room.barrier(bob)
        replies = await replies_to(alice, three[offset:], since=since)
        assert replies == [Subscribed("é")], f"split in two at byte {offset}, {three!r} was answered by {replies}"
    await room.barrier(alice)
    for body in (body_of("zoo", "🦓 🦓"), body_of("é", "z")):
        assert room.times_received(alice, body), (
            f"{body.decode()!r}, sent in two pieces {len(three)} times, never arrived"
        )


@pytest.mark.case(104, "CH-LINE-2")
async def test_lines_may_straddle_4096_and_65536_bytes(room: Room) -> None:
    """CH-LINE-2: However TCP splits the bytes of a line, it is the same line.

    Messages in one write, with a line across each boundary whose LF comes before, on and after the boundary.
    """
    alice, bob = await room.join(2)
    for boundary in (4096, 65536):
        for shift in (-2, -1, 0, 1, 2, 100):
            fill = boundary + shift - len(room.encode(b""))
            sent = await alice.send(alice.next_body(fill - 200), alice.next_body(200), alice.next_body(100))
            replies = await replies_to(alice, b"")
            assert not replies, f"three messages across the boundary of {boundary} bytes were answered by {replies}"
            await room.barrier(alice)
            if not set(sent) & set(bob.received):  # all three were lost: send them until they arrive
                await room.deliver(alice, [alice.next_body(fill - 200), alice.next_body(200)], [bob])


@pytest.mark.smoke
@pytest.mark.case(105, "CH-LINE-3", "CH-CHANNEL-1")
async def test_requests_in_one_segment_are_served_in_their_order(room: Room) -> None:
    """CH-LINE-3: Several requests in one segment are separate requests: they are served one after the other, in the
    order in which they arrived.
    CH-CHANNEL-1: A Subscribe is answered by Subscribed with the name of the channel, before any message of that
    channel.

    A message to a channel that does not exist yet, a Subscribe, and a second message: for a hundred channels, in one
    write.
    """
    alice = await room.join_one()
    names = [f"order {number}" for number in range(PIPELINED)]
    early, late = ([body_of(name, f"{word} {name}") for name in names] for word in ("early", "late"))
    requests = [
        room.encode(first) + encode_lines(Subscribe(name)) + room.encode(second)
        for name, first, second in zip(names, early, late, strict=True)
    ]
    since = len(alice.notes)
    replies = await replies_to(alice, b"".join(requests))
    received = [reply.channel if isinstance(reply, Subscribed) else type(reply).__name__ for reply in replies]
    expected = [word for name in names for word in ("Error", name)]
    assert received == expected, f"Send, Subscribe, Send for {PIPELINED} channels were answered by {received[:6]}…"
    await room.barrier(alice)
    for place, note in enumerate(alice.notes[since : since + len(expected)]):  # an Error and a Subscribed for each name
        sent_later = {room.messages.numbers[body] for body in late[place // 2 :]}
        assert sent_later.isdisjoint(alice.received[: note.after]), (
            f"a client received {note.value} after a message that it had sent later than that request"
        )
    assert not any(room.times_received(alice, body) for body in early), (
        "a client received a message that it had sent before it subscribed"
    )
    assert any(room.times_received(alice, body) for body in late), (
        f"none of {PIPELINED} messages sent after Subscribe arrived"
    )


PATTERNS = [  # of a Send; WORD stands for its message
    '{"Send":{"channel":"zoo","message":"WORD"}}\r\n',
    ' \t{ "Send" :\t{ "channel" : "zoo" , "message" : "WORD" } } \r\r\n',
    '{"Send":{"message":"WORD","channel":"zoo"}}\n',
    '\r{"Send"\r:\r{"message"\r:\r"WORD"\r,\r"channel"\r:\r"zoo"\r}\r}\r\n',
]


@pytest.mark.smoke
@pytest.mark.case(106, "CH-LINE-4")
async def test_white_space_and_the_order_of_keys_mean_nothing(room: Room) -> None:
    """CH-LINE-4: White space around and within a value has no meaning, so a line may end with CR LF; keys may come in
    any order.

    Blanks, tabs and CRs wherever JSON allows them, and the keys of Send in the other order.
    """
    alice, bob = await room.join(2)
    for pattern in PATTERNS:
        make = partial(_fill, pattern)
        await send_until_received(room, alice, [bob], make, f"a Send written as {pattern!r}")
    for line in (b'{"Subscribe":"rust"}\r\n', b' \t{\r"Subscribe" : "rust"\t} \r\n'):
        assert await replies_to(alice, line) == [Subscribed("rust")], f"{line!r} is not answered by Subscribed"


def _fill(pattern: str, word: str) -> tuple[bytes, bytes]:
    return pattern.replace("WORD", word).encode(), body_of("zoo", word)


ESCAPED = [  # how a string is written, and its value
    ("\\u0041\\u00e9\\u99ac\\u0000", "Aé馬\0"),
    ("\\u00E9\\u99AC", "é馬"),
    ("\\ud83e\\udd93 \\uD83E\\uDD93", "🦓 🦓"),
    ("\\ud840\\udc00\\udbff\\udfff \\u0080\\u07ff\\u0800", "\U00020000\U0010ffff \x80\u07ff\u0800"),
    ("\\ud800\\udc00 \\uD800\\uDFFF \\ud7ff\\ue000\\uffff", "\U00010000 \U000103ff \ud7ff\ue000\uffff"),
    ('\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'),
    ("\\\\u0041 \\\\n", "\\u0041 \\n"),
    ("/\u2028\u2029\x7f", "/\u2028\u2029\x7f"),
]


@pytest.mark.case(107, "CH-LINE-5")
async def test_how_a_string_is_escaped_makes_no_difference(room: Room) -> None:
    """CH-LINE-5: How a string is escaped makes no difference: only its value counts.

    Every kind of escape in texts, names and keys; a name that is escaped in two ways is one name.
    """
    alice, bob = await room.join(2)
    for written, value in ESCAPED:
        assert await replies_to(bob, f'{{"\\u0053ubscribe":"{written}"}}\n'.encode()) == [Subscribed(value)], (
            f'the answer to Subscribe "{written}" does not contain that name'
        )
        await room.deliver(alice, [body_of(value, f"to {value}")], [bob])

        def make(word: str, written: str = written, value: str = value) -> tuple[bytes, bytes]:
            line = f'{{"\\u0053end":{{"\\u0063hannel":"{written}","\\u006dessage":"{word} {written}"}}}}\n'
            return line.encode(), body_of(value, f"{word} {value}")

        await send_until_received(room, alice, [bob], make, f'a message "{written}" to the channel "{written}"')


ODD_MESSAGES = [
    "",
    "\0",
    "a\0b",
    "\n",
    "\r\n",
    "line\r\n",
    " leading",
    "trailing ",
    "\t \t",
    "\u00a0\u3000",
    "e\u0301 \u00e9 \u1e9b\u0323",
    "\ufb01 \u212b \u2126",
    "\u1112\u1161\u11ab \ud55c",
    "👩\u200d👩\u200d👧\u200d👦",
    "\ufeffmark\ufeff",
    "\ufffd \ufffe \uffff \U0010ffff",
    "\u2028\u2029\u0085",
    "\u202eright to left",
    "\x1b[31mred\x1b[0m\x07\x08\x7f",
    '"}}',
    '\\"\\\\n\\u0000',
    '{"Error":"no"}',
    '{"Subscribe":"rust"}',
    '"Subscribe"',
    '{"Send":{"channel":"zoo","message":"inner"}}',
    "</script> &lt; %s%n",
    "quit",
    "#rust hi",
    *("".join(map(chr, range(first, first + 64))) for first in range(0, 0x300, 64)),
]


@pytest.mark.smoke
@pytest.mark.case(108, "CH-LINE-6")
async def test_a_message_is_any_unicode_string(room: Room) -> None:
    """CH-LINE-6: A message may be any Unicode string, including the empty one, and is forwarded unchanged.

    White space at both ends, line breaks, NUL, text that normalisation would change, characters outside the basic
    plane, text that looks like a line, and every code point up to U+02FF.
    """
    alice, bob = await room.join(2)
    await room.deliver(alice, [body_of("zoo", message) for message in ODD_MESSAGES], [alice, bob])


@pytest.mark.case(109, "CH-LINE-6")
async def test_a_long_message_is_forwarded(room: Room) -> None:
    """CH-LINE-6: A message may be any Unicode string, including the empty one, and is forwarded unchanged.

    32,768 and 65,000 bytes, in characters of one byte and of four.
    """
    alice, bob = await room.join(2)
    for size in (MAX_BODY, 65_000):
        await room.deliver(alice, [b"x" * size, "🦓".encode() * (size // 4)], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(113, "CH-LINE-10")
async def test_an_unfinished_line_is_not_served_and_blocks_nobody(room: Room) -> None:
    """CH-LINE-10: An incomplete line is not served and keeps no other client waiting.

    A whole Send without its LF, half a Send, half a character: no client receives them, and all receive the messages
    of others.
    """
    alice, bob, carol, dave = await room.join(4)
    whole = room.encode(b"never finished")
    await alice.send_raw(whole[:-1])
    await bob.send_raw(whole[:20])
    await dave.send_raw(b'{"Subscribe":"\xf0\x9f')
    for _ in range(3):
        await room.barrier(carol, [alice, bob, carol, dave])
        await room.deliver(carol, [carol.next_body()], [alice, bob, carol, dave])
    assert len(dave.notes) == 1, "half a request was answered"


@pytest.mark.case(114, "CH-LINE-11")
async def test_halves_of_two_clients_never_mix(room: Room, rng: random.Random) -> None:
    """CH-LINE-11: Lines of different clients are never mixed.

    Half a line of each in turn, with the rests in the opposite order, until all of it has arrived; then messages and
    requests of six clients, which the server finds all at the same moment.
    """
    everybody = await room.join(6)
    alice, bob, carol = everybody[:3]
    for _ in range(20):
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
        await room.deliver(client, [client.next_body(50)], [alice, bob, carol])
    for client in (alice, bob, carol):
        errors = [note.value for note in client.notes if isinstance(note.value, Error)]
        assert not errors, f"{client}, whose lines are valid requests, received {errors[0]}"
    for turn in room.rounds(20, seconds=3):
        replies_before = [len(client.notes) for client in everybody]
        with room.server_paused():
            for client in everybody:
                await client.send(*(client.next_body(size) for size in (0, 3, 2000)))
                await client.send_raw(encode_lines(Subscribe(f"{client.number} {turn}")))
        await room.barrier(alice)
        for client, before in zip(everybody, replies_before, strict=True):
            replies = await replies_to(client, b"", since=before)
            assert replies == [Subscribed(f"{client.number} {turn}")], f"{client} received the replies {replies}"


@pytest.mark.slow
@pytest.mark.case(115, "CH-LINE-12")
async def test_after_drops_the_stream_is_still_whole_lines(room: Room) -> None:
    """CH-LINE-12: Only whole lines are dropped.

    A client stalls until its messages have filled every buffer, sends requests that are answered, and resumes reading;
    twice.
    """
    alice, _bob = await room.join(2)
    for size, total in ((250, 1_200_000), (2000, 3_000_000)):
        (slow,) = await room.join_stalled()
        await room.pour(alice, total, size=size, seconds=4)
        with suppress(Violation):  # it may have been disconnected
            await slow.send_raw(encode_lines(*(Subscribe(f"late {number}") for number in range(20))))
        slow.start_reading()
        await room.barrier_or_closed(alice, slow)
        await slow.hang_up()
