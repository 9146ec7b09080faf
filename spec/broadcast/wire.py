"""The broadcast protocol without its I/O: bytes in, bodies out, and the other way round.

A message is one length byte and a body of that many bytes (BC-FRAME-1); both directions look the same.
There is nothing that could be malformed: every stream of bytes is a stream of messages and a rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Frame

MAX_BODY = 255
STANDALONE = """\
def encode(body):
    return bytes([len(body)]) + body

def split(data):  # one length byte, then the body
    bodies, start = [], 0
    while start < len(data) and start + data[start] < len(data):
        bodies.append(data[start + 1 : start + 1 + data[start]])
        start += 1 + data[start]
    return bodies, data[start:]
"""


def encode(body: bytes) -> bytes:
    """Return the message with this body; raise ValueError when it is over 255 bytes long."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a body has at most {MAX_BODY} bytes, this one has {len(body)}")
    return bytes((len(body),)) + body


class MessageDecoder:
    """Cuts a stream into messages, whatever the segments."""

    def __init__(self) -> None:
        self._rest = b""
        self._begins = 0  # of the rest, in the stream

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the messages they complete, in order."""
        buffer = self._rest + data if self._rest else data
        frames, start, size, begins = [], 0, len(buffer), self._begins
        while start < size:
            end = start + 1 + buffer[start]
            if end > size:
                break
            frames.append(Frame(begins + start, buffer[start + 1 : end]))
            start = end
        self._rest = buffer[start:]
        self._begins += start
        return frames

    @property
    def pending(self) -> bytes:
        """The bytes of the message that is not complete yet."""
        return self._rest


@dataclass(frozen=True)
class BroadcastCodec:
    """The protocol as the harness's clients and swarms take it: connecting is joining, and there is one topic."""

    max_body: int = MAX_BODY
    is_text: bool = False
    has_topics: bool = False
    standalone_source: str = STANDALONE

    def name(self, client: int) -> None:
        """Nobody has a name."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        return b""

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        return text

    def encode(self, body: bytes) -> bytes:
        return encode(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        return encode(body)

    def request_decoder(self) -> MessageDecoder:
        return MessageDecoder()

    def reply_decoder(self) -> MessageDecoder:
        return MessageDecoder()


CODEC = BroadcastCodec()
