"""The group chat without its I/O: bytes in, what people say out, and the other way round.

The types are in `messages`, their format is serdy's. What there is much of, Say and Said, is read by hand here, for a
harness has thousands of clients; all else is read by serdy. The name and the text of a Said are told as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.codec import Frame
from spec.groupchat.messages import MAX_TEXT, Join, Reply, Request, Said
from spec.groupchat.serdy import DecodeError, dumps, loads

HEADER = 2  # bytes
MAX_PAYLOAD = 0xFFFF
MAX_SHIFT = 14  # of a length that a payload has room for: three bytes of seven bits
SAY, SAID = 1, 4  # tags: places in Request and in Reply
NOTICES = (b"\x02", b"\x03")  # Joined and Left
NOTICES_KEPT = 4096  # each goes to everybody, so that a harness reads it as often as it has clients
STANDALONE = """\
def varint(number):
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)

def encode(body):  # Say
    payload = b"\\1" + varint(len(body)) + body
    return len(payload).to_bytes(2, "big") + payload

def string(payload, start):  # the one that begins there, and where it ends
    size = shift = 0
    while payload[start] > 127:
        size, shift, start = size + (payload[start] % 128 << shift), shift + 7, start + 1
    size += payload[start] << shift
    return payload[start + 1 : start + 1 + size], start + 1 + size

def split(data):  # two bytes of length, then a payload; of Say (1) and of Said (4) the text is the body
    bodies, start = [], 0
    while (end := start + 2 + int.from_bytes(data[start : start + 2], "big")) <= len(data) > start + 1:
        payload, start = data[start + 2 : end], end
        try:
            if payload[0] in (1, 4):
                at = string(payload, 1)[1] if payload[0] == 4 else 1
                bodies.append(string(payload, at)[0])
        except IndexError:  # no payload of this protocol
            pass
    return bodies, data[start:]
"""


@dataclass(frozen=True)
class InvalidPayload:
    """What a client sent and every server refuses: the payload of a frame that is no Request."""

    payload: bytes


def encode_frame(payload: bytes) -> bytes:
    """Return a payload with its length before it; raise ValueError when it is over 65,535 bytes long."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame has room for {MAX_PAYLOAD:,} bytes, this payload has {len(payload):,}")
    return len(payload).to_bytes(HEADER, "big") + payload


def encode_request(value: Request) -> bytes:
    """Return the frame of something that a client asks for; raise ValueError when no server may grant it."""
    return encode_frame(dumps(value, Request))


def encode_reply(value: Reply) -> bytes:
    """Return the frame of something that a server says; raise ValueError when it has no room for it."""
    return encode_frame(dumps(value, Reply))


def encode_varint(number: int) -> bytes:
    """Return a number from 0 on as few bytes of seven bits each, the low ones first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def encode_say(text: bytes) -> bytes:
    """Return the frame of Say(text), whatever the text; raise ValueError when a frame has no room for it."""
    return encode_frame(bytes((SAY,)) + encode_varint(len(text)) + text)


class FrameDecoder:
    """Cuts a stream into frames, whatever the segments, and lets `understand` say what is in each.

    Args:
        understand: given where a frame begins and its payload, returns it; or raises ValueError.
    """

    def __init__(self, understand: Callable[[int, bytes], Frame]) -> None:
        self._understand = understand
        self._rest = b""
        self._at = 0  # offset of the rest

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the frames they complete, in order.

        Raises ValueError when a payload is no Reply (of what a client sends, all is understood).
        """
        buffer = self._rest + data if self._rest else data
        begun, start, size = self._at, 0, len(buffer)
        frames = []
        while start + HEADER <= size:
            end = start + HEADER + (buffer[start] << 8 | buffer[start + 1])
            if end > size:
                break
            frames.append(self._understand(begun + start, buffer[start + HEADER : end]))
            start = end
        self._rest, self._at = buffer[start:], begun + start
        return frames

    @property
    def pending(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        return self._rest


def parse_request(begins: int, payload: bytes) -> Frame:
    """Return what a client sends in a payload: a text, a Join, or Nonsense."""
    try:
        if payload[:1] == bytes((SAY,)):
            text, end = _string(payload, 1)
            if end == len(payload) and len(text) <= MAX_TEXT:
                text.decode()
                return Frame(begins, text)
        else:
            return Frame(begins, None, value=loads(payload, Request))
    except (DecodeError, UnicodeDecodeError):
        pass
    return Frame(begins, None, value=InvalidPayload(payload))


def parse_reply(begins: int, payload: bytes) -> Frame:
    """Return what a server sends in a payload: a text and who said it, or a notice; raise ValueError if it is none."""
    if payload[:1] != bytes((SAID,)):
        return Frame(begins, None, value=(_notice if payload[:1] in NOTICES else _reply)(payload))
    name, at = _string(payload, 1)
    text, end = _string(payload, at)
    if end < len(payload):
        raise ValueError(f"{len(payload) - end} bytes after the end of Said")
    return Frame(begins, text, sender=name.decode())


def _reply(payload: bytes) -> Reply:
    value: Reply = loads(payload, Reply)
    return value


_notice = lru_cache(NOTICES_KEPT)(_reply)


def _string(payload: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes of the string that begins at this offset, and the offset of its end.

    Raises DecodeError when it has no end in the payload, or a length with more bytes than it needs.
    """
    size = shift = 0
    while True:
        if at == len(payload) or shift > MAX_SHIFT:
            raise DecodeError("a string without its length", "$", at)
        byte = payload[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    if not byte and shift > 7:
        raise DecodeError("a length with more bytes than it needs", "$", at)
    if size > len(payload) - at:
        raise DecodeError(f"{size} bytes announced, {len(payload) - at} left", "$", at)
    return payload[at : at + size], at + size


@dataclass(frozen=True)
class GroupchatCodec:
    """The protocol as the harness's clients and swarms take it: a body is the text of a Say, client 3 is called c3."""

    max_body: int = MAX_TEXT
    is_text: bool = True
    has_topics: bool = False

    def name(self, client: int) -> str:
        return f"c{client}"

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        return encode_request(Join(self.name(client)))

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        return text

    def encode(self, body: bytes) -> bytes:
        if len(body) > MAX_TEXT:
            raise ValueError(f"a text has at most {MAX_TEXT:,} bytes, this one has {len(body):,}")
        body.decode()
        return encode_say(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        return encode_reply(Said(self.name(client), body.decode()))

    def request_decoder(self) -> FrameDecoder:
        return FrameDecoder(parse_request)

    def reply_decoder(self) -> FrameDecoder:
        return FrameDecoder(parse_reply)

    @property
    def standalone_source(self) -> str:
        return STANDALONE


CODEC = GroupchatCodec()
