"""The broadcast protocol without its I/O: bytes in, bodies out, and the other way round.

A message is one length byte and a body of that many bytes (BC-FRAME-1); both directions look the same.
There is nothing that could be malformed: every stream of bytes is a stream of messages and a rest.
"""

from __future__ import annotations

from dataclasses import dataclass

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


class Decoder:
    """Cuts a stream into bodies, whatever the segments."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the bodies they complete, in order."""
        buffer = self._rest + data if self._rest else data
        bodies, start, size = [], 0, len(buffer)
        while start < size:
            end = start + 1 + buffer[start]
            if end > size:
                break
            bodies.append(buffer[start + 1 : end])
            start = end
        self._rest = buffer[start:]
        return bodies

    @property
    def pending(self) -> bytes:
        """The bytes of the message that is not complete yet."""
        return self._rest


@dataclass(frozen=True)
class BroadcastCodec:
    """The protocol as the harness's clients and swarms take it."""

    max_body: int = MAX_BODY

    def encode(self, body: bytes) -> bytes:
        return encode(body)

    def arrives(self, body: bytes) -> bytes:
        return encode(body)

    def decoder(self) -> Decoder:
        return Decoder()

    @property
    def standalone(self) -> str:
        return STANDALONE


CODEC = BroadcastCodec()
