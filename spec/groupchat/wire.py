"""The groupchat protocol without I/O: encodes and decodes frames.

The types are in `messages`, and their format is serdy's. The harness has thousands of clients, so the most frequent
types, Say and Said, are decoded by hand here, and all others by serdy. The name and the text of a Said are taken as
they are, without the checks of their types.
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
MAX_SHIFT = 14  # a length that fits into a payload has at most three bytes of seven bits
SAY, SAID = 1, 4  # tags: positions in Request and in Reply
NOTICES = (b"\x02", b"\x03")  # tags of Joined and Left
# Decoded notices that are cached: each goes to all clients, and would be decoded again for each of them.
NOTICES_CACHED = 4096
# Python source for generated scripts, see `Codec.standalone_source`.
STANDALONE = """\
def varint(number):
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)

def encode(body):  # Say
    payload = b"\\1" + varint(len(body)) + body
    return len(payload).to_bytes(2, "big") + payload

def string(payload, start):  # the string that begins there, and its end
    size = shift = 0
    while payload[start] > 127:
        size, shift, start = size + (payload[start] % 128 << shift), shift + 7, start + 1
    size += payload[start] << shift
    return payload[start + 1 : start + 1 + size], start + 1 + size

def split(data):  # two bytes of length, then a payload; the body of a Say (1) or a Said (4) is its text
    bodies, start = [], 0
    while (end := start + 2 + int.from_bytes(data[start : start + 2], "big")) <= len(data) > start + 1:
        payload, start = data[start + 2 : end], end
        try:
            if payload[0] in (1, 4):
                at = string(payload, 1)[1] if payload[0] == 4 else 1
                bodies.append(string(payload, at)[0])
        except IndexError:  # not a payload of this protocol
            pass
    return bodies, data[start:]
"""


@dataclass(frozen=True)
class InvalidPayload:
    """The payload of a frame that is not a Request; every server refuses it."""

    payload: bytes


def encode_frame(payload: bytes) -> bytes:
    """Return the frame of a payload; raise ValueError when the payload has more than 65,535 bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame has room for {MAX_PAYLOAD:,} bytes, this payload has {len(payload):,}")
    return len(payload).to_bytes(HEADER, "big") + payload


def encode_request(value: Request) -> bytes:
    """Return the frame of a request; raise ValueError when every server must refuse it."""
    return encode_frame(dumps(value, Request))


def encode_reply(value: Reply) -> bytes:
    """Return the frame of a reply; raise ValueError when it does not fit into a frame."""
    return encode_frame(dumps(value, Reply))


def encode_varint(number: int) -> bytes:
    """Return the varint of a non-negative number: seven bits per byte, the low ones first, as few bytes as possible."""
    varint = bytearray()
    while number > 0x7F:
        varint.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*varint, number))


def encode_say(text: bytes) -> bytes:
    """Return the frame of Say(text), even of an invalid text; raise ValueError when it does not fit into a frame."""
    return encode_frame(bytes((SAY,)) + encode_varint(len(text)) + text)


class FrameDecoder:
    """Splits a stream into frames, however it is segmented, and parses their payloads.

    Args:
        parse: returns the parsed frame, given its offset in the stream and its payload; or raises ValueError.
    """

    def __init__(self, parse: Callable[[int, bytes], Frame]) -> None:
        self._parse = parse
        self._rest = b""
        self._offset = 0  # of `_rest` in the stream

    def feed(self, data: bytes) -> list[Frame]:
        """Consume the next bytes of the stream; return the frames that they complete, in order.

        Raises:
            ValueError: a payload is not a Reply. A decoder of requests never raises.
        """
        buffer = self._rest + data if self._rest else data
        offset, start, size = self._offset, 0, len(buffer)
        frames = []
        while start + HEADER <= size:
            end = start + HEADER + (buffer[start] << 8 | buffer[start + 1])
            if end > size:
                break
            frames.append(self._parse(offset + start, buffer[start + HEADER : end]))
            start = end
        self._rest, self._offset = buffer[start:], offset + start
        return frames

    @property
    def pending(self) -> bytes:
        """The bytes of the unfinished frame."""
        return self._rest


def parse_request(offset: int, payload: bytes) -> Frame:
    """Return the frame at this offset of a client's stream: a text, a Join, or an InvalidPayload."""
    try:
        if payload[:1] == bytes((SAY,)):
            text, end = _string(payload, 1)
            if end == len(payload) and len(text) <= MAX_TEXT:
                text.decode()
                return Frame(offset, text)
        else:
            return Frame(offset, None, value=loads(payload, Request))
    except (DecodeError, UnicodeDecodeError):
        pass
    return Frame(offset, None, value=InvalidPayload(payload))


def parse_reply(offset: int, payload: bytes) -> Frame:
    """Return the frame at this offset of a server's stream: a text with its sender, or any other Reply.

    Raises:
        ValueError: the payload is not a Reply.
    """
    if payload[:1] != bytes((SAID,)):
        return Frame(offset, None, value=(_notice if payload[:1] in NOTICES else _reply)(payload))
    name, at = _string(payload, 1)
    text, end = _string(payload, at)
    if end < len(payload):
        raise ValueError(f"{len(payload) - end} bytes after the end of Said")
    return Frame(offset, text, sender=name.decode())


def _reply(payload: bytes) -> Reply:
    value: Reply = loads(payload, Reply)
    return value


_notice = lru_cache(NOTICES_CACHED)(_reply)


def _string(payload: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes of the string that begins at this offset, and the offset of its end.

    Raises:
        DecodeError: the string does not end within the payload, or its length has more bytes than necessary.
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
        raise DecodeError("a length with more bytes than necessary", "$", at)
    if size > len(payload) - at:
        raise DecodeError(f"{size} bytes announced, {len(payload) - at} left", "$", at)
    return payload[at : at + size], at + size


@dataclass(frozen=True)
class GroupchatCodec:
    """The protocol for the clients of the harness: a body is the text of a Say, and the name of client 3 is c3."""

    max_body: int = MAX_TEXT
    is_text: bool = True
    has_topics: bool = False
    announces_clients: bool = True

    def name(self, client: int) -> str:
        """Return the name of a client."""
        return f"c{client}"

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the Join of a client; there are no topics."""
        return encode_request(Join(self.name(client)))

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the text, which is the body."""
        return text

    def encode(self, body: bytes) -> bytes:
        """Return the Say of a body; raise ValueError when it is too long or not UTF-8."""
        if len(body) > MAX_TEXT:
            raise ValueError(f"a text has at most {MAX_TEXT:,} bytes, this one has {len(body):,}")
        body.decode()
        return encode_say(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the Said of a body from this client."""
        return encode_reply(Said(self.name(client), body.decode()))

    def request_decoder(self) -> FrameDecoder:
        """Return a decoder for what a client sends."""
        return FrameDecoder(parse_request)

    def reply_decoder(self) -> FrameDecoder:
        """Return a decoder for what a server sends."""
        return FrameDecoder(parse_reply)

    @property
    def standalone_source(self) -> str:
        """Python source of `encode` and `split`, see `Codec.standalone_source`."""
        return STANDALONE


CODEC = GroupchatCodec()
