"""Long lines: of exactly the permitted length, longer, and without an end."""

from __future__ import annotations

import json
from functools import partial

import pytest

from harness.conformance.api import Client, Growth, Room, Violation
from spec.channels.replies import (
    ATTEMPTS,
    encode_lines,
    must_get_an_error,
    replies_to,
    send_until_received,
    served_at_once,
    subscribe,
)
from spec.channels.wire import MAX_LINE, Error, Subscribe, Subscribed, body_of
from spec.common.unread_replies import PATIENCE_S, until_read

ENDLESS, ENDLESS_S = 128 * 1024 * 1024, 8.0  # bytes, or seconds of the server's time; if memory grows with them,
ENDLESS_AT_MOST, ENDLESS_AT_MOST_S = 4 * ENDLESS, 5 * ENDLESS_S  # until buffers have been collected, if they ever are
ENDLESS_BOUND = 16 * 1024 * 1024  # bytes of growth that prove nothing, and
ENDLESS_KEPT = 0.5  # the share of what was sent that is kept if the line is stored, and more
ENDLESS_LOOK = 1024 * 1024  # bytes between two looks at memory


# Patterns of a Send with what pads it: `<>` stands for the padding, which gives the line its length.
PADDINGS = [
    ('{"Send":{"channel":"zoo","message":"WORD<>"}}\n', "x"),
    ('{"Send":{"channel":"zoo","message":"WORD"}}<>\n', " "),
    ('{"Send":{"channel":"zoo","message":"WORD<>"}}\r\n', "馬"),
    ('{"Send":{"channel":"zoo","message":"WORD<>"}}\n', "\\u99ac"),
]


def _padded(pattern: str, padding: str, size: int, word: str) -> tuple[bytes, bytes]:
    """Return a line of exactly this size, and the body of its message."""
    before, _, after = pattern.replace("WORD", word).partition("<>")
    gap, unit = size - len((before + after).encode()), len(padding.encode())
    line = before + padding * (gap // unit) + "~" * (gap % unit) + after
    return line.encode(), body_of("zoo", json.loads(line)["Send"]["message"])


@pytest.mark.smoke
@pytest.mark.case(110, "CH-LINE-7")
async def test_a_line_of_65536_bytes_is_served(room: Room) -> None:
    """CH-LINE-7: A request line of up to 65,536 bytes, including its LF, is served.

    Lines of exactly this length, and one byte shorter, filled with a letter, white space, characters of three bytes, or
    escapes. Then the end of such a line, LF or CR LF, arrives alone.
    """
    alice, bob = await room.join(2)
    for size in (MAX_LINE - 1, MAX_LINE):
        for pattern, padding in PADDINGS:
            make = partial(_padded, pattern, padding, size)
            await send_until_received(room, alice, [bob], make, f"a Send of {size} bytes, filled with {padding!r},")
    pattern, padding = PADDINGS[0]
    for ending in ("\n", "\r\n"):
        for _ in range(ATTEMPTS):
            line, body = _padded(pattern.rstrip() + ending, padding, MAX_LINE, alice.next_body().decode())
            await alice.send_raw(line[: -len(ending)])
            await room.wait_until(lambda: not alice.connection.unread_bytes(), PATIENCE_S)
            await room.barrier(bob, [bob])
            await alice.send_raw(line[-len(ending) :])
            await room.barrier(alice, [alice, bob])
            if room.times_received(bob, body):
                break
            await alice.send_next()  # a server may lose every second message
        else:
            raise Violation(f"a Send of {MAX_LINE} bytes whose {ending!r} arrives later never arrives")


@pytest.mark.case(116, "CH-LINE-3", "CH-LINE-7")
async def test_the_limit_is_that_of_a_line_and_not_of_a_buffer(room: Room) -> None:
    """CH-LINE-3: Several requests in one segment are separate requests: they are served one after the other, in the
    order in which they arrived.
    CH-LINE-7: A request line of up to 65,536 bytes, including its LF, is served.

    The end of a long Subscribe arrives together with hundreds of short ones, if the server is not slow.
    """
    alice, bob = await room.join(2)
    short = await served_at_once(room, alice, 500)
    for size in (MAX_LINE - 1000, MAX_LINE):
        names = ["x" * (size - len(encode_lines(Subscribe("")))), *(f"behind {size} bytes {i}" for i in range(short))]
        data, since = encode_lines(*map(Subscribe, names)), len(alice.notes)
        await alice.send_raw(data[: size - 100])
        await room.barrier(bob, [bob])
        with room.server_paused():  # it finds the rest all at once
            await alice.send_raw(data[size - 100 :])
        replies = await replies_to(alice, b"", since=since)
        assert replies == [*map(Subscribed, names)], (
            f"a Subscribe of {size} bytes and {short} short ones were answered by {len(replies)} replies, the first of "
            f"which begins with {repr(replies[:1])[:80]}"
        )


@pytest.mark.smoke
@pytest.mark.case(111, "CH-LINE-8")
async def test_a_longer_line_is_an_error_and_is_skipped(room: Room) -> None:
    """CH-LINE-8: A longer line is answered by one Error and skipped to its end, and the connection stays open.

    Lines of one byte more, of twice as many, and of a megabyte; in one piece, and in pieces of which the last looks
    like a request. The first one has nothing after it. Then two and three of them in a row.
    """
    alice, bob = await room.join(2)
    await must_get_an_error(alice, b"x" * 70_000 + b"\n", "a line of 70,001 bytes, alone,")
    for size in (MAX_LINE + 1, MAX_LINE + 2, 2 * MAX_LINE, 2 * MAX_LINE + 1, 1_000_000):
        for pattern, padding in PADDINGS[:3]:
            line, body = _padded(pattern, padding, size, alice.next_body().decode())
            await _must_be_one_error(alice, line, f"a line of {size} bytes, filled with {padding!r},")
            assert not room.times_received(bob, body), f"the message on a line of {size} bytes was forwarded"
    for size in (MAX_LINE - 1, MAX_LINE, 3 * MAX_LINE):
        since = len(alice.notes)
        await alice.send_raw(b"x" * size)
        await room.barrier(bob, [alice, bob])  # the Error may arrive before the line has ended, and messages must
        what = f"a Subscribe after {size} bytes of the same line"
        await _must_be_one_error(alice, encode_lines(Subscribe("the rest")), what, since=since)
    for count in (2, 3):
        replies = await replies_to(alice, b"".join(b"x" * size + b"\n" for size in (MAX_LINE, 70_000, 140_000)[:count]))
        assert [type(reply) for reply in replies] == [Error] * count, (
            f"{count} lines in a row, each of which was too long, were answered by {replies}"
        )
    await room.deliver(alice, [b"still here"], [alice, bob])


async def _must_be_one_error(client: Client, line: bytes, what: str, *, since: int | None = None) -> None:
    replies = await replies_to(client, line, since=since)
    assert len(replies) == 1 and isinstance(replies[0], Error), f"{what} was answered by {replies}, not by one Error"


@pytest.mark.case(117, "CH-COME-2")
async def test_a_line_that_is_too_long_ends_with_its_client(room: Room) -> None:
    """CH-COME-2: If a client leaves in the middle of a message, by FIN or by RST, the unfinished message is discarded.

    A client leaves in the middle of a line that is too long already; another, which may get its descriptor, is served.
    """
    alice = await room.join_one()
    for turn in range(6):
        leaving = await room.join_one()
        await leaving.send_raw(b"x" * (2 * MAX_LINE))
        await room.barrier(alice, [alice])
        await (leaving.leave, leaving.reset, leaving.hang_up)[turn % 3]()
        await room.barrier(alice, [alice])
        joining = await room.connect(joins=False)
        await subscribe(joining, "zoo")  # its first line
        await joining.hang_up()


@pytest.mark.case(112, "CH-LINE-9")
async def test_a_line_without_an_end_is_not_kept(room: Room) -> None:
    """CH-LINE-9: A line that does not end is not stored: the server's memory does not grow with it.

    128 MB of it, or as much as the server reads in some seconds, while two others exchange messages; more, while memory
    grows with it. Then the line ends and is answered by one Error.
    """
    alice, bob, carol = await room.join(3)
    since, sent, piece = len(alice.notes), 0, b"endless " * 8192
    growth, clock = Growth([0], [room.usage().rss_bytes]), room.clock()

    def is_suspect() -> bool:
        return growth.total_bytes > max(ENDLESS_BOUND, ENDLESS_KEPT * growth.total_count)

    while sent < (ENDLESS_AT_MOST if is_suspect() else ENDLESS):
        if clock.read() > (ENDLESS_AT_MOST_S if is_suspect() else ENDLESS_S):
            break
        if not await room.takes(alice, piece, PATIENCE_S):
            raise Violation(
                "the server stopped reading a line that does not end", kind="silent", clients=(alice.number,)
            )
        sent += len(piece)
        if sent % ENDLESS_LOOK == 0:
            await room.barrier(bob, [bob, carol], as_step=False)
            growth.counts.append(sent)
            growth.sizes.append(room.usage().rss_bytes)
    assert not (is_suspect() and growth.continues(ENDLESS_KEPT)), (
        f"{sent / 1e6:.0f} MB of a line without an end were sent, and memory has grown by "
        f"{growth.total_bytes / 1e6:.0f} MB"
    )
    await until_read(room, [alice], PATIENCE_S)
    await _must_be_one_error(alice, b"\n", f"a line of {sent / 1e6:.0f} MB", since=since)
    await room.deliver(alice, [b"at last"], [alice, bob, carol])
