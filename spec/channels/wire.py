"""The channels protocol without its I/O: typed requests and replies, their lines, and the bodies of the harness.

A line is one JSON value, in the form in which serde writes an enum: {"Send":{"channel":"rust","message":"hi"}}.

A body of the harness is UTF-8 text. In the channel `zoo` it is the message itself; in any other one it is
`#CHANNEL message`, with %20 and %25 for the blanks and the percent signs of the name. A message to `zoo` that looks
like that is written with the name as well: `#zoo #rust hi`. So every channel and message has one body, and every
body one channel and message.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.codec import Frame

MAX_LINE = 65536  # bytes of a request with its LF; a server need not take more
MAX_REPLY = 1 << 20  # bytes: a server that escapes everything makes six of one
MAX_BODY = 32768
DEFAULT = "zoo"
TAGGED = re.compile("(?:#zoo )*#(?!zoo )(?:[^ %]|%20|%25)* ")
quoted = json.JSONEncoder(ensure_ascii=False).encode
# What nearly all lines look like that pass through here by the hundred thousand: no need of a parser.
PLAIN = re.compile(rb'\{"(?:Send|Message)":\{"channel":"zoo","message":"([^"#\\\x00-\x1f][^"\\\x00-\x1f]*)"\}\}')


@dataclass(frozen=True)
class Subscribe:
    """From now on the messages of this channel."""

    channel: str


@dataclass(frozen=True)
class Send:
    """A message for all who have subscribed to this channel."""

    channel: str
    message: str


@dataclass(frozen=True)
class Subscribed:
    """The answer to Subscribe."""

    channel: str


@dataclass(frozen=True)
class Message:
    """What somebody has sent to a channel."""

    channel: str
    message: str


@dataclass(frozen=True)
class Error:
    """The answer to what could not be served, in words for people."""

    words: str


Request = Subscribe | Send
Reply = Subscribed | Message | Error


# --- values and lines


def encode_value(value: Request | Reply) -> bytes:
    """Return a request or a reply as its line; raise ValueError when a string of it has a lone surrogate."""
    match value:
        case Send(channel, message) | Message(channel, message):
            content = f'{{"channel":{quoted(channel)},"message":{quoted(message)}}}'
        case Subscribe(word) | Subscribed(word) | Error(word):
            content = quoted(word)
    return f'{{"{type(value).__name__}":{content}}}\n'.encode()


def decode_request(line: bytes) -> Request:
    """Return the request on a line; raise ValueError when there is none. What Send has beside its fields is ignored."""
    tag, content = _tag(line)
    match tag, content:
        case "Subscribe", str(channel):
            return Subscribe(channel)
        case "Send", {"channel": str(channel), "message": str(message)}:
            return Send(channel, message)
    raise ValueError(f"no request: {_shown(line)}")


def decode_reply(line: bytes) -> Reply:
    """Return the reply on a line; raise ValueError when there is none."""
    tag, content = _tag(line)
    match tag, content:
        case "Subscribed", str(channel):
            return Subscribed(channel)
        case "Message", {"channel": str(channel), "message": str(message), **others} if not others:
            return Message(channel, message)
        case "Error", str(words):
            return Error(words)
    raise ValueError(f"no reply: {_shown(line)}")


def _tag(line: bytes) -> tuple[str, Any]:
    """Return the one key of the object on a line, and its value; raise ValueError when there is no such object."""
    try:
        value = json.loads(line.decode())
    except RecursionError:
        raise ValueError(f"nested too deep: {_shown(line)}") from None
    except ValueError as error:
        raise ValueError(f"{error}: {_shown(line)}") from None
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"not an object with one key: {_shown(line)}")
    return next(iter(value.items()))


def _shown(line: bytes) -> str:
    return repr(line[:60])[1:] + ("…" if len(line) > 60 else "")


# --- bodies


def body_of(channel: str, message: str) -> bytes:
    """Return the body of a message to a channel; raise ValueError when it is no Unicode."""
    if channel == DEFAULT and not TAGGED.match(message):
        return message.encode()
    return f"#{channel.replace('%', '%25').replace(' ', '%20')} {message}".encode()


def content_of(body: bytes) -> tuple[str, str]:
    """Return the channel and the message that a body stands for; raise ValueError when it is no UTF-8."""
    text = body.decode()
    if not TAGGED.match(text):
        return DEFAULT, text
    channel, _, message = text[1:].partition(" ")
    return channel.replace("%20", " ").replace("%25", "%"), message


def encode(body: bytes) -> bytes:
    """Return the line that sends a body; raise ValueError when it is no UTF-8, or the line would be too long."""
    line = encode_value(Send(*content_of(body)))
    if len(line) > MAX_LINE:
        raise ValueError(f"a line has at most {MAX_LINE} bytes, this one has {len(line)}")
    return line


# --- streams


class LineDecoder:
    """Cuts a stream into lines, whatever the segments, and makes frames of them.

    Args:
        understand: makes a frame of a line and of the place where it begins; None when it says nothing.
        most: how many bytes of a line, its LF among them, are kept and understood.
        too_long: what to do with a longer line: raise, or nothing, and it is skipped to its end.
    """

    def __init__(
        self, understand: Callable[[int, bytes], Frame | None], most: int, too_long: Callable[[], None] = lambda: None
    ) -> None:
        self._understand, self._most, self._too_long = understand, most, too_long
        self._line = bytearray()  # as much of the unfinished line as is kept
        self._begins = self._size = 0  # of the unfinished line: its offset in the stream, and how many bytes came

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the frames they complete, in order."""
        frames: list[Frame | None] = []
        first, *others = data.split(b"\n")
        self._grow(first)
        for following in others:
            if self._size < self._most:
                frames.append(self._understand(self._begins, bytes(self._line)))
            self._begins += self._size + 1
            self._line.clear()
            self._size = 0
            self._grow(following)
        return [frame for frame in frames if frame]

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        self._line += piece[: self._most - len(self._line)]
        if self._size >= self._most:
            self._too_long()

    @property
    def pending(self) -> bytes:
        """The bytes of the line that is not complete yet; the first of them when it is too long."""
        return bytes(self._line)


def _plain_frame(begins: int, line: bytes, start: bytes) -> Frame | None:
    """Return the frame of a line that needs no parser; None for another; raise ValueError when it is no UTF-8."""
    plain = PLAIN.fullmatch(line)
    if plain is None or not line.startswith(start):
        return None
    body = plain[1]
    body.decode()
    return Frame(begins, body)


def _request_frame(begins: int, line: bytes) -> Frame | None:
    try:
        if frame := _plain_frame(begins, line, b'{"S'):
            return frame
        request = decode_request(line)
        if isinstance(request, Send):
            return Frame(begins, body_of(request.channel, request.message))
    except ValueError:
        return None
    return Frame(begins, None, value=request)


def _reply_frame(begins: int, line: bytes) -> Frame:
    if frame := _plain_frame(begins, line, b'{"M'):
        return frame
    reply = decode_reply(line)
    if isinstance(reply, Message):
        return Frame(begins, body_of(reply.channel, reply.message))
    return Frame(begins, None, value=reply)


def _never_ends() -> None:
    raise ValueError(f"a line of more than {MAX_REPLY} bytes")


# What stands alone: for both directions.
TAIL = """
def encode(body):
    channel, message = content_of(body)
    value = {"Send": {"channel": channel, "message": message}}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\\n"

def said(line):  # the body of a Send or a Message; None for anything else
    try:
        ((tag, content),) = json.loads(line.decode()).items()
        return body_of(content["channel"], content["message"]) if tag in ("Send", "Message") else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None

def split(data):  # JSON lines
    *lines, rest = data.split(b"\\n")
    return [body for body in map(said, lines) if body is not None], rest
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
    """The protocol as the harness's clients and swarms take it: topic 0 is the channel `zoo`, topic 3 is `zoo-3`."""

    max_body: int = MAX_BODY
    is_text: bool = True
    has_topics: bool = True
    standalone_source: str = STANDALONE

    def name(self, client: int) -> None:
        """Nobody has a name."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        return b"".join(encode_value(Subscribe(channel_name(topic))) for topic in topics)

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        return body_of(channel_name(topic), text.decode())

    def encode(self, body: bytes) -> bytes:
        return encode(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        return encode_value(Message(*content_of(body)))

    def request_decoder(self) -> LineDecoder:
        return LineDecoder(_request_frame, MAX_LINE)

    def reply_decoder(self) -> LineDecoder:
        return LineDecoder(_reply_frame, MAX_REPLY, _never_ends)


def channel_name(topic: int) -> str:
    """Return the name of the channel that stands for a topic."""
    return f"{DEFAULT}-{topic}" if topic else DEFAULT


CODEC = ChannelsCodec()
