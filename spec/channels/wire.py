"""The channels protocol without I/O: typed requests and replies, their lines, and the bodies of the harness.

A line is one JSON value, in the form in which serde writes an enum: {"Send":{"channel":"rust","message":"hi"}}.

A body of the harness is UTF-8 text. For the channel `zoo` it is the message itself; for any other channel it is
`#CHANNEL message`, with %20 and %25 for the blanks and percent signs of the name. A message to `zoo` that looks
like this is written with the name as well: `#zoo #rust hi`. So each pair of channel and message has exactly one
body, and each body one such pair.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.codec import Frame
from spec.channels.nesting import parsed

MAX_LINE = 65536  # bytes of a request with its LF; a server need not take more
MAX_REPLY = 4 << 20  # bytes: a server may escape each byte as six, and an Error may repeat a name fifty times
MAX_BODY = 32768
DEFAULT = "zoo"
TAGGED = re.compile("(?:#zoo )*+#(?!zoo )(?:[^ %]++|%20|%25)*+ ")
quoted = json.JSONEncoder(ensure_ascii=False).encode
# Nearly all of the lines, of which there are hundreds of thousands, look like this and need no parser.
PLAIN = re.compile(rb'\{"(?:Send|Message)":\{"channel":"zoo","message":"([^"#\\\x00-\x1f][^"\\\x00-\x1f]*)"\}\}')


@dataclass(frozen=True)
class Subscribe:
    """Asks for the messages of a channel from now on."""

    channel: str


@dataclass(frozen=True)
class Send:
    """Sends a message to all subscribers of a channel."""

    channel: str
    message: str


@dataclass(frozen=True)
class Subscribed:
    """Answers a Subscribe."""

    channel: str


@dataclass(frozen=True)
class Message:
    """Delivers a message of a channel to a subscriber."""

    channel: str
    message: str


@dataclass(frozen=True)
class Error:
    """Answers a request that could not be served, in words for people."""

    words: str


Request = Subscribe | Send
Reply = Subscribed | Message | Error


# --- values and lines


def encode_value(value: Request | Reply) -> bytes:
    """Return the line of a request or a reply; raise ValueError when one of its strings has a lone surrogate."""
    match value:
        case Send(channel, message) | Message(channel, message):
            content = f'{{"channel":{quoted(channel)},"message":{quoted(message)}}}'
        case Subscribe(word) | Subscribed(word) | Error(word):
            content = quoted(word)
    return f'{{"{type(value).__name__}":{content}}}\n'.encode()


def decode_request(line: bytes) -> Request:
    """Return the request on a line, ignoring unknown fields of Send; raise ValueError when it is not a request."""
    tag, content = _tag(line)
    match tag, content:
        case "Subscribe", str(channel):
            return Subscribe(channel)
        case "Send", {"channel": str(channel), "message": str(message)}:
            return Send(channel, message)
    raise ValueError(f"not a request: {_excerpt(line)}")


def decode_reply(line: bytes) -> Reply:
    """Return the reply on a line; raise ValueError when it is not a reply."""
    tag, content = _tag(line)
    match tag, content:
        case "Subscribed", str(channel):
            return Subscribed(channel)
        case "Message", {"channel": str(channel), "message": str(message), **others} if not others:
            return Message(channel, message)
        case "Error", str(words):
            return Error(words)
    raise ValueError(f"not a reply: {_excerpt(line)}")


def _tag(line: bytes) -> tuple[str, Any]:
    """Return the key and the value of the object on a line; raise ValueError when it is not an object of one key."""
    try:
        value = parsed(line.decode())
    except ValueError as error:
        raise ValueError(f"{error}: {_excerpt(line)}") from None
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"not an object with one key: {_excerpt(line)}")
    return next(iter(value.items()))


def _excerpt(line: bytes) -> str:
    return repr(line[:60])[1:] + ("…" if len(line) > 60 else "")


# --- bodies


def body_of(channel: str, message: str) -> bytes:
    """Return the body of a message to a channel; raise ValueError when it is not valid Unicode."""
    if channel == DEFAULT and not TAGGED.match(message):
        return message.encode()
    return f"#{channel.replace('%', '%25').replace(' ', '%20')} {message}".encode()


def content_of(body: bytes) -> tuple[str, str]:
    """Return the channel and the message of a body; raise ValueError when it is not UTF-8."""
    text = body.decode()
    if not TAGGED.match(text):
        return DEFAULT, text
    channel, _, message = text[1:].partition(" ")
    return channel.replace("%20", " ").replace("%25", "%"), message


def encode(body: bytes) -> bytes:
    """Return the line that sends a body.

    Raises:
        ValueError: the body is not UTF-8, or the line would be too long.
    """
    line = encode_value(Send(*content_of(body)))
    if len(line) > MAX_LINE:
        raise ValueError(f"a line has at most {MAX_LINE} bytes, this one has {len(line)}")
    return line


# --- streams


class LineDecoder:
    """Splits a stream into lines, however it is segmented, and parses them into frames.

    Args:
        parse: returns the frame of a line, given its offset in the stream and its bytes; None to ignore the line.
        max_size: the size of the longest line that is kept and parsed, in bytes, including its LF.
        on_too_long: called for a longer line. It may raise; otherwise the line is skipped to its end.
    """

    def __init__(
        self,
        parse: Callable[[int, bytes], Frame | None],
        max_size: int,
        on_too_long: Callable[[], None] = lambda: None,
    ) -> None:
        self._parse, self._max_size, self._on_too_long = parse, max_size, on_too_long
        self._line = bytearray()  # the part of the unfinished line that is kept
        # The offset of the unfinished line in the stream, and the number of its bytes received so far.
        self._offset = self._size = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Consume the next bytes of the stream; return the frames that they complete, in order."""
        frames: list[Frame | None] = []
        first, *others = data.split(b"\n")
        self._append(first)
        for following in others:
            if self._size < self._max_size:
                frames.append(self._parse(self._offset, bytes(self._line)))
            self._offset += self._size + 1
            self._line.clear()
            self._size = 0
            self._append(following)
        return [frame for frame in frames if frame]

    def _append(self, piece: bytes) -> None:
        self._size += len(piece)
        self._line += piece[: self._max_size - len(self._line)]
        if self._size >= self._max_size:
            self._on_too_long()

    @property
    def pending(self) -> bytes:
        """The bytes of the unfinished line; only the first of them when it is too long."""
        return bytes(self._line)


def _plain_frame(offset: int, line: bytes, start: bytes) -> Frame | None:
    """Return the frame of a line that needs no parser, otherwise None; raise ValueError when it is not UTF-8."""
    plain = PLAIN.fullmatch(line)
    if plain is None or not line.startswith(start):
        return None
    body = plain[1]
    body.decode()
    return Frame(offset, body)


def _request_frame(offset: int, line: bytes) -> Frame | None:
    try:
        if frame := _plain_frame(offset, line, b'{"S'):
            return frame
        request = decode_request(line)
        if isinstance(request, Send):
            return Frame(offset, body_of(request.channel, request.message))
    except ValueError:
        return None
    return Frame(offset, None, value=request)


def _reply_frame(offset: int, line: bytes) -> Frame:
    if frame := _plain_frame(offset, line, b'{"M'):
        return frame
    reply = decode_reply(line)
    if isinstance(reply, Message):
        return Frame(offset, body_of(reply.channel, reply.message))
    return Frame(offset, None, value=reply)


def _raise_too_long() -> None:
    raise ValueError(f"a line of more than {MAX_REPLY} bytes")


# The end of `Codec.standalone_source`; it serves both directions.
TAIL = """
def encode(body):
    channel, message = content_of(body)
    value = {"Send": {"channel": channel, "message": message}}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\\n"

def body_on(line):  # the body of a Send or a Message; None for anything else
    try:
        ((tag, content),) = json.loads(line.decode()).items()
        return body_of(content["channel"], content["message"]) if tag in ("Send", "Message") else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None

def split(data):  # JSON lines
    *lines, rest = data.split(b"\\n")
    return [body for body in map(body_on, lines) if body is not None], rest
"""
STANDALONE = "\n".join(
    [
        "import json, re\n",
        f"DEFAULT = {DEFAULT!r}",
        f"TAGGED = re.compile({TAGGED.pattern!r})\n",
        inspect.getsource(body_of),
        inspect.getsource(content_of),
        TAIL.strip() + "\n",
    ]
)


@dataclass(frozen=True)
class ChannelsCodec:
    """The protocol for the clients of the harness: topic 0 is the channel `zoo`, topic 3 is `zoo-3`."""

    max_body: int = MAX_BODY
    is_text: bool = True
    has_topics: bool = True
    announces_clients: bool = False
    standalone_source: str = STANDALONE

    def name(self, client: int) -> None:
        """Return None: clients have no names."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the Subscribes for these topics."""
        return b"".join(encode_value(Subscribe(channel_name(topic))) for topic in topics)

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the body of a message with this text to the channel of a topic."""
        return body_of(channel_name(topic), text.decode())

    def encode(self, body: bytes) -> bytes:
        """Return the Send of a body."""
        return encode(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the Message of a body."""
        return encode_value(Message(*content_of(body)))

    def request_decoder(self) -> LineDecoder:
        """Return a decoder for what a client sends; it skips lines that are not requests."""
        return LineDecoder(_request_frame, MAX_LINE)

    def reply_decoder(self) -> LineDecoder:
        """Return a decoder for what a server sends."""
        return LineDecoder(_reply_frame, MAX_REPLY, _raise_too_long)


def channel_name(topic: int) -> str:
    """Return the name of the channel of a topic."""
    return f"{DEFAULT}-{topic}" if topic else DEFAULT


CODEC = ChannelsCodec()
