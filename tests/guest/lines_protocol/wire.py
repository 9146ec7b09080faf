"""Lines of text that end with LF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Frame

STANDALONE = """\
def encode(body):
    return body + b"\\n"

def split(data):
    *bodies, rest = data.split(b"\\n")
    return bodies, rest
"""


class Decoder:
    """Cuts a stream into lines."""

    def __init__(self) -> None:
        self.pending, self._begins = b"", 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; return the lines they complete."""
        *bodies, self.pending = (self.pending + data).split(b"\n")
        frames = []
        for body in bodies:
            frames.append(Frame(self._begins, body))
            self._begins += len(body) + 1
        return frames


@dataclass(frozen=True)
class LinesCodec:
    """The protocol as the harness needs it."""

    max_body: int = 200
    is_text: bool = True
    has_topics: bool = False
    announces_clients: bool = False
    standalone_source: str = STANDALONE

    def name(self, client: int) -> None:
        """Clients have no names."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        return b""

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        return text

    def encode(self, body: bytes) -> bytes:
        return body + b"\n"

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        return body + b"\n"

    def request_decoder(self) -> Decoder:
        return Decoder()

    def reply_decoder(self) -> Decoder:
        return Decoder()


CODEC = LinesCodec()
