"""The broadcast protocol without I/O: encodes and decodes messages.

A message is one length byte and a body of that many bytes (BC-FRAME-1); both directions look the same.
No input is malformed: every stream of bytes is a sequence of messages and an unfinished rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Frame

MAX_BODY = 255
# Python source for generated scripts, see `Codec.standalone_source`.
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
    """Return the message with this body.

    Raises:
        ValueError: the body has more than 255 bytes.
    """
    if len(body) > MAX_BODY:
        raise ValueError(f"a body has at most {MAX_BODY} bytes, this one has {len(body)}")
    return bytes((len(body),)) + body


class MessageDecoder:
    """Splits a stream into messages, however it is segmented."""

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0  # of `_rest` in the stream

    def feed(self, data: bytes) -> list[Frame]:
        """Consume the next bytes of the stream; return the messages that they complete, in order."""
        buffer = self._rest + data if self._rest else data
        frames, start, size, offset = [], 0, len(buffer), self._offset
        while start < size:
            end = start + 1 + buffer[start]
            if end > size:
                break
            frames.append(Frame(offset + start, buffer[start + 1 : end]))
            start = end
        self._rest = buffer[start:]
        self._offset += start
        return frames

    @property
    def pending(self) -> bytes:
        """The bytes of the unfinished message."""
        return self._rest


@dataclass(frozen=True)
class BroadcastCodec:
    """The protocol for the clients of the harness: a client joins by connecting, and there is one topic."""

    max_body: int = MAX_BODY
    is_text: bool = False
    has_topics: bool = False
    announces_clients: bool = False
    standalone_source: str = STANDALONE

    def name(self, client: int) -> None:
        """Return None: clients have no names."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return b"": a client joins by connecting."""
        return b""

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the text, which may be any bytes."""
        return text

    def encode(self, body: bytes) -> bytes:
        """Return the message with this body."""
        return encode(body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the message with this body: deliveries look like requests."""
        return encode(body)

    def request_decoder(self) -> MessageDecoder:
        """Return a decoder for what a client sends."""
        return MessageDecoder()

    def reply_decoder(self) -> MessageDecoder:
        """Return a decoder for what a server sends."""
        return MessageDecoder()


CODEC = BroadcastCodec()
