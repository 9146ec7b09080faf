"""Errors: what is not a request, which client receives the Error, and that all connections stay open."""

from __future__ import annotations

import pytest

from harness.conformance.api import Client, Room
from spec.channels.invalid import INVALID_LINES, INVALID_UTF_8
from spec.channels.replies import encode_lines, must_get_an_error, replies_to, served_at_once, subscribe
from spec.channels.wire import Error, Send, Subscribe, Subscribed
from spec.common.standard_output import must_end_without_a_word
from spec.common.unread_replies import catch_up, must_rest

HOSTILE = [
    b"[" * 60_000,
    b"[" * 30_000 + b"]" * 30_000,
    b'{"a":' * 10_000,
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    b'[{"a":' * 9_000,
    b'{"Subscribe":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b'{"Send":{"channel":"zoo","message":' + b'{"a":' * 8_000 + b"0" + b"}" * 8_000 + b"}}",
    b"1" * 60_000,
    b"-" + b"9" * 60_000,
    b'{"Subscribe":' + b"7" * 5_000 + b"}",
    b'{"Send":{"channel":"zoo","message":' + b"7" * 60_000 + b"}}",
    b"1e999999999",
    b'{"Subscribe":-1e-999999999}',
    b"0." + b"3" * 60_000,
    b"{" * 60_000,
    b'"' + b"\\" * 60_001,
]
SURROGATES = ["\\ud800", "\\udc00", "a\\udfffb", "\\ud800\\ud800", "\\ud800\\u0041", "\\udc00\\ud800", "\\uD83E"]
PLACES = [  # where one may stand
    '{"Send":{"channel":"odd","message":"<>"}}',
    '{"Send":{"channel":"<>","message":"7"}}',
    '{"Send":{"channel":"zoo","message":"8","<>":1}}',
    '{"Send":{"channel":"zoo","message":"9","more":"<>"}}',
    '{"<>":"zoo"}',
    '"<>"',
]
LEFT_OPEN = [
    b"\n",
    b"\r\n",
    b" \t \n",
    b"\n\n\n",
    b'{"Send":{"channel":"zoo","message":"1","more":2}}\n',
    b'{"Send":{"more":{"Send":null},"channel":"zoo","message":"2"}}\n',
    b'{"Send":{"channel":"zoo","message":"3","more":' + b"[" * 20_000 + b"]" * 20_000 + b"}}\n",
    b'{"Send":{"channel":"zoo","message":"4","more":' + b"9" * 20_000 + b"}}\n",
    b'{"Send":{"channel":"zoo","channel":"zoo","message":"5","message":"5"}}\n',
    # A parser that takes 64, 128, 512 or more levels (two are around these) must have the stack for them.
    *(
        b'{"Send":{"channel":"zoo","message":"6","more":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}}\n"
        for levels in (60, 62, 100, 120, 124, 126, 500, 510, 1000, 1020, 4000, 10_000)
    ),
    b'{"Subscribe":"zoo","Subscribe":"zoo"}\n',
]
AT_ONCE = 3000  # requests
ONE_BY_ONE_S = 120.0  # then a slow server has got lines enough
MANY_ERRORS = 8000


async def _each_must_be_one_error(room: Room, client: Client, wrong_lines: list[bytes]) -> None:
    for place in room.rounds(len(wrong_lines), ONE_BY_ONE_S):
        line = wrong_lines[place]
        replies = await replies_to(client, line + b"\n")
        assert len(replies) == 1 and isinstance(replies[0], Error), (
            f"the line {line[:80]!r} ({len(line)} bytes) was answered by {replies or 'nothing'}, not by one Error"
        )


@pytest.mark.smoke
@pytest.mark.case(141, "CH-ERROR-1")
async def test_what_is_no_request_is_answered_by_an_error(room: Room) -> None:
    """CH-ERROR-1: A line that is not a request is answered by one Error, and the connection stays open.

    Malformed JSON, values of wrong types, unknown tags, two tags, missing fields, lines of HTTP: the first one alone,
    with nothing after it; then one by one, and all at once.
    """
    alice, bob = await room.join(2)
    await must_get_an_error(alice, INVALID_LINES[0] + b"\n", "a line that is no request, alone,")
    await _each_must_be_one_error(room, alice, INVALID_LINES)
    replies = await replies_to(alice, b"\n".join([*INVALID_LINES, b""]))
    assert [type(reply) for reply in replies] == [Error] * len(INVALID_LINES), (
        f"{len(INVALID_LINES)} lines that are not requests, sent at once, were answered by {len(replies)} replies"
    )
    await room.deliver(alice, [b"after all this"], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(142, "CH-ERROR-2")
async def test_what_is_no_utf_8_is_answered_by_an_error(room: Room) -> None:
    """CH-ERROR-2: Bytes that are not UTF-8 are answered by one Error, and the connection stays open.

    Bytes that never occur in UTF-8, truncated characters, overlong forms, surrogates, and code points past U+10FFFF.
    """
    alice, bob = await room.join(2)
    await must_get_an_error(alice, INVALID_UTF_8[0] + b"\n", "bytes that are not UTF-8, alone,")
    await _each_must_be_one_error(room, alice, INVALID_UTF_8)
    await room.deliver(alice, ["café".encode()], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(143, "CH-ERROR-3")
async def test_deep_nesting_and_long_numbers_harm_nobody(room: Room) -> None:
    """CH-ERROR-3: However deeply a line is nested and however long its numbers are, it is a line like any other.

    Sixty thousand brackets, closed or not, and numbers of as many digits, alone and in the place of a string; the first
    with nothing after it.
    """
    alice, bob = await room.join(2)
    await must_get_an_error(alice, HOSTILE[0] + b"\n", "60,000 brackets, alone,")
    await _each_must_be_one_error(room, alice, HOSTILE)
    await room.deliver(alice, [b"still standing"], [alice, bob])


def _to_odd(message: str) -> bytes:
    """Return the line that sends a message, written as it is, to the channel "odd"."""
    return f'{{"Send":{{"channel":"odd","message":"{message}"}}}}'.encode()


@pytest.mark.case(144, "CH-ERROR-4")
async def test_a_lone_surrogate_is_answered_by_an_error(room: Room) -> None:
    r"""CH-ERROR-4: A lone surrogate, as in "\ud800", is answered by an Error.

    In the name of Subscribe and in the message of a Send, at every place, and two of them in the wrong order. Whoever
    would receive the messages does not read.
    """
    alice = await room.join_one()
    stalled = await room.connect(joins=False)
    await subscribe(stalled, "odd")
    stalled.stall()
    await _each_must_be_one_error(room, alice, [f'{{"Subscribe":"{surrogate}"}}'.encode() for surrogate in SURROGATES])
    await _each_must_be_one_error(room, alice, [_to_odd(surrogate) for surrogate in SURROGATES])


@pytest.mark.smoke
@pytest.mark.case(145, "CH-ERROR-5")
async def test_what_is_left_open_harms_nobody(room: Room) -> None:
    """CH-ERROR-5: Input that this text leaves open (a blank line, an unknown field in a Send, a repeated key, a lone
    surrogate) harms no client: the connection stays open, and so do all others.

    Each of them several times, a surrogate in every place where a string may stand; those in messages go to a client
    that will never read what the server makes of them.
    """
    alice, bob = await room.join(2)
    stalled = await room.connect(joins=False)
    await subscribe(stalled, "odd")
    stalled.stall()
    surrogates = (template.replace("<>", escaped).encode() for template in PLACES for escaped in SURROGATES)
    lines = [*LEFT_OPEN, *(line + b"\n" for line in surrogates)]
    for place in room.rounds(len(lines), ONE_BY_ONE_S):
        line = lines[place]
        replies = await replies_to(alice, line * 2)
        wrong = [reply for reply in replies if not isinstance(reply, Error) and reply != Subscribed("zoo")]
        assert not wrong, f"{line[:80]!r} was answered by {wrong}"
        await room.barrier(alice)
    await stalled.reset()
    await room.deliver(alice, [b"nothing has happened"], [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(146, "CH-ERROR-6")
async def test_an_error_goes_only_to_the_client_that_asked(room: Room) -> None:
    """CH-ERROR-6: An Error goes only to the client whose request it answers.

    One client sends invalid requests of all kinds, and Sends to channels that do not exist; three others must receive
    none of the Errors.
    """
    alice, bob, carol = await room.join(3)
    stranger = await room.connect(joins=False)
    others = [bob, carol, stranger]
    for client in others:
        await replies_to(client, b"")
    before = [len(client.notes) for client in others]
    for line in [*INVALID_LINES, *INVALID_UTF_8[:5], b"x" * 70_000]:
        await alice.send_raw(line + b"\n" + encode_lines(Send("no such channel", "hello")))
    await replies_to(alice, b"")
    await room.barrier(alice, [alice, bob, carol])
    for client, count in zip(others, before, strict=True):
        assert await replies_to(client, b"", since=count) == [], (
            f"{client}, which had sent no request, received {client.notes[count].value}"
        )


@pytest.mark.case(147, "CH-ERROR-7")
async def test_replies_are_not_dropped_and_keep_their_order(room: Room) -> None:
    """CH-ERROR-7: Subscribed and Error are not dropped for a client that reads, and arrive in the order of its
    requests.

    Three thousand requests in one write, to a slow server fewer, every third of them invalid, from a client in a
    channel where others send; the same again, unless it has taken half a minute. Then eight thousand invalid lines,
    whose replies are ten times as long.
    """
    alice, bob, carol = await room.join(3)
    at_once = await served_at_once(room, alice, AT_ONCE)
    requests = [Subscribe(f"{number}") if number % 3 else None for number in range(at_once)]
    for turn in room.rounds(2, seconds=30):
        with room.server_paused():
            for client in (bob, carol):
                await client.send(*(client.next_body(200) for _ in range(100)))
        data = b"".join(encode_lines(request) if request else b"nonsense\n" for request in requests)
        replies = await replies_to(alice, data)
        received = [reply.channel if isinstance(reply, Subscribed) else None for reply in replies]
        expected = [request.channel if request else None for request in requests]
        if received != expected:
            pairs = enumerate(zip(received, expected, strict=False))
            place = next((place for place, pair in pairs if pair[0] != pair[1]), len(received))
            raise AssertionError(
                f"{len(expected)} requests, sent at once, were answered by {len(received)} replies; in turn {turn}, "
                f"from number {place} on, the replies do not match the requests"
            )
    if turn and at_once == AT_ONCE:  # it is not slow
        replies = await replies_to(alice, b"x\n" * MANY_ERRORS)
        assert [type(reply) for reply in replies] == [Error] * MANY_ERRORS, (
            f"{MANY_ERRORS} invalid lines, sent at once, were answered by {len(replies)} replies"
        )
    await room.barrier(alice)


@pytest.mark.case(182, "CH-ERROR-7")
async def test_a_client_that_catches_up_receives_all_replies(room: Room) -> None:
    """CH-ERROR-7: Subscribed and Error are not dropped for a client that reads, and arrive in the order of its
    requests.

    Thirty thousand invalid lines arrive at once, from a client that reads the replies a moment later, and sends nothing
    more. To a slow server it sends fewer.
    """
    bob = await room.join_one()
    alice = await room.connect(small=True, joins=False)
    replies = await catch_up(room, alice, bob, b"x\n")
    assert all(isinstance(reply, Error) for reply in replies), (
        f"invalid lines were answered by {set(map(type, replies))}"
    )
    await subscribe(alice, "after all this")


@pytest.mark.slow
@pytest.mark.case(183, "CH-LOAD-10")
async def test_a_client_that_takes_no_replies_costs_no_processor_time(room: Room) -> None:
    """CH-LOAD-10: A server with nothing to do uses less than 1 % of a core, whatever state its clients are in.

    Three clients take no replies, and have sent requests until the server read no more of them.
    """
    await must_rest(room, encode_lines(Subscribe("long " * 1000)))


@pytest.mark.case(184, "CH-START-4")
async def test_errors_are_not_printed_on_standard_output(room: Room) -> None:
    """CH-START-4: Standard output carries nothing but the ready line.

    A client sends what is no request, of every kind.
    """
    alice = await room.join_one()
    for line in [
        *INVALID_LINES,
        *INVALID_UTF_8,
        b"x" * 70_000,
        encode_lines(Send("no such channel", "hello")).rstrip(),
    ]:
        await replies_to(alice, line + b"\n")
    await must_end_without_a_word(room)
