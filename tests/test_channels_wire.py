"""The codec of channels: any segmentation, any string, hostile bytes; and its dialect."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.codec import Frame, bodies_of, complete_messages
from spec.channels.dialect import DIALECT
from spec.channels.wire import (
    CODEC,
    MAX_LINE,
    Error,
    Message,
    Reply,
    Request,
    Send,
    Subscribe,
    Subscribed,
    body_of,
    content_of,
    decode_reply,
    decode_request,
    encode_value,
)

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
ODD = st.text(st.sampled_from("#zo %20\n\0é")) | st.sampled_from(["#zoo #rust hi", "#zoo hi", "zoo", "# ", "%2520"])
STRINGS = UNICODE | ODD
REQUESTS = st.builds(Subscribe, STRINGS) | st.builds(Send, STRINGS, STRINGS)
REPLIES = st.builds(Subscribed, STRINGS) | st.builds(Message, STRINGS, STRINGS) | st.builds(Error, STRINGS)
CUTS = st.lists(st.integers(0, 2000), max_size=20)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the data split at these offsets."""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def frame(offset: int, value: Request | Reply) -> Frame:
    if isinstance(value, Send | Message):
        return Frame(offset, body_of(value.channel, value.message))
    return Frame(offset, None, value=value)


@given(st.lists(REQUESTS), CUTS)
def test_any_segmentation_of_requests_gives_the_same_frames(values: list[Request], cuts: list[int]) -> None:
    decoder, frames, expected, offset = CODEC.request_decoder(), list[Frame](), list[Frame](), 0
    for value in values:
        expected.append(frame(offset, value))
        offset += len(encode_value(value))
    for piece in pieces(b"".join(map(encode_value, values)), cuts):
        frames += decoder.feed(piece)
    assert frames == expected
    assert decoder.pending == b""


@given(st.lists(REPLIES), CUTS)
def test_any_segmentation_of_replies_gives_the_same_frames(values: list[Reply], cuts: list[int]) -> None:
    decoder, frames, expected, offset = CODEC.reply_decoder(), list[Frame](), list[Frame](), 0
    for value in values:
        expected.append(frame(offset, value))
        offset += len(encode_value(value))
    for piece in pieces(b"".join(map(encode_value, values)), cuts):
        frames += decoder.feed(piece)
    assert frames == expected


@given(REQUESTS, st.booleans(), st.sampled_from([None, 1]))
def test_a_request_may_be_encoded_in_other_ways(value: Request, escapes: bool, indent: int | None) -> None:
    encoded = json.dumps(json.loads(encode_value(value)), ensure_ascii=escapes, indent=indent).replace("\n", "\r")
    assert decode_request(f" \t{encoded} \r".encode()) == value


@given(STRINGS, STRINGS)
@example("zoo", "#zoo #rust hi")
@example("zoo", "#zoo hi")
@example("two words", "100 %")
@example("%20", " ")
def test_every_channel_and_message_has_one_body(channel: str, message: str) -> None:
    assert content_of(body_of(channel, message)) == (channel, message)


@given(STRINGS)
def test_every_body_has_one_channel_and_message(text: str) -> None:
    assert body_of(*content_of(text.encode())) == text.encode()


@given(STRINGS)
def test_a_body_is_sent_and_delivered_unchanged(text: str) -> None:
    body = text.encode()
    assert bodies_of(CODEC.request_decoder().feed(CODEC.encode(body))) == [body]
    assert bodies_of(CODEC.reply_decoder().feed(CODEC.encode_delivery(body, 0))) == [body]
    assert complete_messages(CODEC.encode(body), CODEC) == [body]


@given(st.binary(), CUTS)
def test_the_decoder_of_requests_takes_any_bytes(data: bytes, cuts: list[int]) -> None:
    decoder = CODEC.request_decoder()
    for piece in pieces(data, cuts):
        decoder.feed(piece)
    assert decoder.pending == data.rpartition(b"\n")[2]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b'{"Message":5}',
        b'{"Message":{"channel":"zoo"}}',
        b'{"Message":{"channel":"zoo","message":"hi","more":1}}',
        b'{"Message":{"channel":"zoo","message":"\xff"}}',
        b'{"Message":{"channel":"zoo","message":"\\ud800"}}',
        b'{"Message":{"channel":"zoo","message":"a\tb"}}',
        b'{"Send":{"channel":"zoo","message":"hi"}}',
        b'{"Subscribed":"zoo","Error":"no"}',
        b'{"Subscribed":' + b"[" * 1_000_000,
        b"1" * 10_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_is_not_a_reply_raises(line: bytes) -> None:
    with pytest.raises(ValueError):
        CODEC.reply_decoder().feed(line + b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b'{"Send":{"channel":"zoo","message":"\xff"}}',
        b'{"Send":{"channel":"zoo","message":"\\ud800"}}',
        b'{"Send":{"channel":"zoo"}}',
        b'{"Message":{"channel":"zoo","message":"hi"}}',
        b'{"Subscribe":5}',
        b"[" * 60_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_is_not_a_request_gives_no_frame(line: bytes) -> None:
    assert CODEC.request_decoder().feed(line + b"\n" + encode_value(Subscribe("a"))) == [
        Frame(len(line) + 1, None, value=Subscribe("a"))
    ]


DEEP = [
    "[" * 20_000 + "]" * 20_000,
    '{"a":' * 20_000 + '"]}"' + "}" * 20_000,
    '[{"a":' * 20_000 + "[[1], 2]" + "}]" * 20_000,
]


@pytest.mark.parametrize("value", DEEP, ids=["lists", "objects", "both"])
def test_a_request_may_contain_values_nested_more_deeply_than_the_parser_reads(value: str) -> None:
    line = f'{{"Send":{{"more":{value},"channel":"rust","message":"hi"}}}}\n'
    assert decode_request(line.encode()) == Send("rust", "hi")
    with pytest.raises(ValueError, match="not a reply"):
        decode_reply(line.replace("Send", "Message").encode())


@pytest.mark.parametrize("value", ["[" * 20_000, "[" * 20_000 + "}" * 20_000, *(f"{deep[:-1]}NaN" for deep in DEEP)])
def test_a_nested_value_that_is_not_valid_makes_a_line_invalid(value: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|no end"):
        decode_request(f'{{"Send":{{"more":{value},"channel":"rust","message":"hi"}}}}\n'.encode())


def test_a_line_has_at_most_65536_bytes() -> None:
    space = MAX_LINE - len(CODEC.encode(b""))
    longest = CODEC.encode(b"x" * space)
    assert len(longest) == MAX_LINE
    assert bodies_of(CODEC.request_decoder().feed(longest)) == [b"x" * space]
    with pytest.raises(ValueError, match="at most 65536"):
        CODEC.encode(b"x" * (space + 1))
    too_long = encode_value(Send("zoo", "x" * (space + 1)))
    assert CODEC.request_decoder().feed(too_long + encode_value(Subscribe("a"))) == [
        Frame(len(too_long), None, value=Subscribe("a"))
    ]


def test_a_line_that_does_not_end_is_not_stored() -> None:
    decoder = CODEC.request_decoder()
    for _ in range(100):
        assert decoder.feed(b"x" * 10_000) == []
    assert len(decoder.pending) == MAX_LINE
    replies = CODEC.reply_decoder()
    with pytest.raises(ValueError, match="a line of more than"):
        for _ in range(1000):
            replies.feed(b"x" * 10_000)


def test_topics_are_channels() -> None:
    assert CODEC.request_decoder().feed(CODEC.encode_join(3, (0, 2))) == [
        Frame(0, None, value=Subscribe("zoo")),
        Frame(len(CODEC.encode_join(3)), None, value=Subscribe("zoo-2")),
    ]
    assert content_of(CODEC.make_body(b"hi", 2)) == ("zoo-2", "hi")
    assert CODEC.make_body(b"hi") == b"hi"


@given(st.lists(st.tuples(STRINGS, STRINGS)))
def test_the_standalone_source_does_the_same(messages: list[tuple[str, str]]) -> None:
    namespace: dict[str, object] = {}
    exec(CODEC.standalone_source, namespace)
    encode, split = namespace["encode"], namespace["split"]
    assert callable(encode) and callable(split)
    bodies = [body_of(*message) for message in messages]
    sent = b"".join(encode(body) for body in bodies)
    assert bodies_of(CODEC.request_decoder().feed(sent)) == bodies
    delivered = b"".join(CODEC.encode_delivery(body, 0) for body in bodies)
    others = encode_value(Subscribed("a")) + encode_value(Error("b"))
    assert split(others + delivered + others + b'{"Mess') == (bodies, b'{"Mess')
    assert split(sent) == (bodies, b"")


# --- the dialect


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("subscribe rust", Subscribe("rust")),
        ("  subscribe   rust ", Subscribe("rust")),
        ('send rust This is a chat message! "yo"', Send("rust", 'This is a chat message! "yo"')),
        ('send "two words"  hi', Send("two words", " hi")),
        ('subscribe ""', Subscribe("")),
        ("send rust", Send("rust", "")),
        ("SEND rust hi", Send("rust", "hi")),
    ],
)
def test_a_typed_line_is_a_request(typed: str, sent: Request) -> None:
    assert decode_request(DIALECT.request(typed)) == sent


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("hello", "neither subscribe nor send"),
        ("subscribe", "which channel"),
        ("subscribe two words", "in quotes"),
        ('send "rust hi', "does not end with one"),
        ("send rust " + "x" * 70_000, "at most 65,536 bytes"),
    ],
)
def test_an_invalid_command_is_explained(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DIALECT.request(typed)


def test_replies_are_shown_as_text() -> None:
    replies: list[Reply] = [
        Subscribed("rust"),
        Message("rust", "yo"),
        Message("zoo", "a\n\x1b[2J"),
        Error("no such channel: x"),
    ]
    frames = CODEC.reply_decoder().feed(b"".join(map(encode_value, replies)))
    assert [DIALECT.show(frame) for frame in frames] == [
        "subscribed to rust",
        "rust: yo",
        "zoo: a\\n\\u001b[2J",
        "error: no such channel: x",
    ]


def test_a_reply_has_one_form() -> None:
    assert encode_value(Subscribed("rust")) == b'{"Subscribed":"rust"}\n'
    assert encode_value(Message("rust", "hi")) == b'{"Message":{"channel":"rust","message":"hi"}}\n'
    assert decode_reply(b'{"Error":"no such channel: x"}') == Error("no such channel: x")
